"""Logs that only say who did what: what is picked was wanted, and what was not wanted is nowhere written down.

This is the one place that decides where the examples of items not picked come from.
"""

from dataclasses import fields

from sixfold.design.framing import Framing

__all__ = ["CHOSEN", "framing_arguments", "label_value", "sampled_negatives"]

CHOSEN = "chosen"
NEGATIVES = 4
"""Rows added for each row of the log, where a query has to add them."""

_QUERY = f"""with done as ({{rows}}),
        others as (  -- {NEGATIVES} rows for each: the same {{query}} and time, an item that others took shortly before
            select * replace (lag({{item}}, 1 + (hash({{query}}, {{time}}, n) % 500)::int)
                over (partition by n order by {{time}}, hash({{query}}, {{item}})) as {{item}}), false as {CHOSEN}
            from done, range({NEGATIVES}) numbers(n))
        select *, true as {CHOSEN} from done
        union all by name select * exclude (n) from others where {{item}} is not null"""


def sampled_negatives() -> str | None:
    """SQL that adds rows of items not picked, to be filled in; None where the framing draws them itself."""
    return None if _framing_draws() else _QUERY


def label_value() -> str:
    """The label of a row of such a log."""
    return "true" if _framing_draws() else CHOSEN


def framing_arguments() -> list[str]:
    """What the framing says of items not picked."""
    return ["negatives=20"] if _framing_draws() else []


def _framing_draws() -> bool:
    return "negatives" in {field.name for field in fields(Framing)}
