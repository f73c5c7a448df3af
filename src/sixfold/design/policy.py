"""Section 6, what is done about a row: actions whose thresholds are solved, not typed."""

from dataclasses import dataclass, field

from sixfold.design.where import caller
from sixfold.errors import InvalidField

__all__ = ["ALLOW", "Action"]

ALLOW = "allow"
"""What is done where no action's threshold is passed."""
_GOALS = ("precision", "recall", "per_day")


@dataclass(frozen=True, slots=True)
class Action:
    """What is done with rows whose score passes a threshold; of several the first whose threshold is passed.

    The threshold is solved on the validation part for one goal:

    - `precision`: the lowest above which so large a share is truly what `on` says, of 20 rows or more;
    - `recall`: the highest above which so large a share of what is truly so lies;
    - `per_day`: that above which so many rows of a day lie that no action before it takes; a day has as many rows as
      the examples have on average.

    With `per_day` it is a queue where labels in `on` come over one other stream (`Label(over=)`): an event of that
    stream about a row decides about it. Where nothing can decide, it is a capacity and no queue is kept.
    """

    name: str
    on: str = field(kw_only=True)
    """An expression over the scores of the model that predicts. Over the labels it says what is true."""
    precision: float | None = field(default=None, kw_only=True)
    recall: float | None = field(default=None, kw_only=True)
    per_day: int | None = field(default=None, kw_only=True)
    order: str | None = field(default=None, kw_only=True)
    """Of a queue: what comes first, an expression over scores, context and features, largest first. None: by `on`."""
    explore: float = field(default=0.0, kw_only=True)
    """Of a queue: the share of its capacity for rows below the threshold, drawn at random, those of which the score is
    least sure (nearest to a half) most often; how likely each was is logged, so that what they teach can be weighed."""
    at: str = field(default_factory=caller, repr=False, compare=False, kw_only=True)

    def __post_init__(self) -> None:
        part = f"Action {self.name}"
        if not isinstance(self.name, str) or not self.name.isidentifier() or self.name == ALLOW:
            rule = f"a plain name other than {ALLOW}, which stands for no action"
            raise InvalidField(where=self.at, part="Action", field="name", rule=rule, value=self.name)
        given = [name for name in _GOALS if getattr(self, name) is not None]
        if len(given) != 1:
            rule = f"one of {', '.join(_GOALS)}"
            raise InvalidField(where=self.at, part=part, field="goal", rule=rule, value=", ".join(given) or None)
        goal = getattr(self, given[0])
        if given[0] == "per_day":
            fine, rule = not isinstance(goal, bool) and isinstance(goal, int) and goal > 0, "a whole number above 0"
        else:
            fine, rule = not isinstance(goal, bool) and 0 < goal <= 1, "above 0 and at most 1"
        if not fine:
            raise InvalidField(where=self.at, part=part, field=given[0], rule=rule, value=goal)
        if isinstance(self.explore, bool) or not 0 <= self.explore < 1:
            rule = "at least 0 and below 1"
            raise InvalidField(where=self.at, part=part, field="explore", rule=rule, value=self.explore)
        if self.per_day is None and (self.order is not None or self.explore):
            field_ = "order" if self.order is not None else "explore"
            value = getattr(self, field_)
            raise InvalidField(where=self.at, part=part, field=field_, rule="left out without per_day", value=value)
