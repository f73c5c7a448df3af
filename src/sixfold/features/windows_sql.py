"""What aggregates see of an event, as SQL."""

from collections.abc import Callable

from sixfold.design.expressions import Expression
from sixfold.design.schema import Aggregate

__all__ = ["measure"]

_MAX_MEASURE = 1e15
"""Numbers beyond it are null (rule T9)."""


def measure(aggregate: Aggregate, render: Callable[[Expression], str]) -> str:
    """SQL of the value that an aggregate sees of an event's row; null where it does not see the event (rule T9).

    Args:
        render: SQL of an expression over the event's row.

    Returns:
        BOOLEAN for `count`, `rate`, `since_last` and `decayed` without an expression (of `rate`, whether the event is
        a success), DOUBLE for `sum`, `mean`, `min`, `max`, `std` and `decayed`, the type of its expression for others.
    """
    condition, value = [], "true"
    if aggregate.where is not None:
        condition.append(render(aggregate.where))
    if aggregate.expression is not None:
        value = render(aggregate.expression)
        if aggregate.function in ("sum", "mean", "min", "max", "std", "decayed"):
            value = f"cast({value} as double)"
        if aggregate.expression.kind.base == "number":
            condition.append(f"abs({value}) <= {_MAX_MEASURE}")
    return f"case when {' and '.join(condition)} then {value} end" if condition else value
