"""Whose turn it is to apply the log to a state that several servers share."""

from typing import Protocol

__all__ = ["Alone", "Lease"]


class Lease(Protocol):
    """Held by one process at a time, for as long as it asks for it. Used by one thread.

    It only saves work that would be done twice: that nothing counts twice is the store's doing (`after` of its commit).
    """

    poll_s: float
    """How often to look for what others appended, or applied."""
    batch: int
    """The most events to apply at once, so that readers need not wait long."""

    def held(self) -> bool:
        """Whether this process is to apply the log now. Takes the lease where nobody holds it, and keeps it."""

    def release(self) -> None:
        """Let another one have it. Releasing twice is allowed."""


class Alone:
    """The lease of a state that one process alone can have open."""

    poll_s = 0.2
    batch = 10_000

    def held(self) -> bool:
        """See `Lease.held`."""
        return True

    def release(self) -> None:
        """See `Lease.release`."""
