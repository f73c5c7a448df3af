"""Logs that only say who did what: what is picked was wanted, and what was not wanted is nowhere written down.

This is the one place that decides where the examples of items not picked come from.
"""

__all__ = ["CHOSEN", "FRAMING", "LABEL"]

CHOSEN = "chosen"
"""The label's name."""
LABEL = "true"
"""Its value: of a row of such a log."""
FRAMING = ["negatives=20"]
"""What the framing says of items not picked."""
