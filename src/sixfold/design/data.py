"""Section 3: entities, event streams, tables, features."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sixfold.design.groups import ANSWERS, Derived, Events, Features, Group, Table
from sixfold.design.where import caller
from sixfold.errors import InvalidField

__all__ = ["Data"]


class Data:
    """All groups of the design: streams, tables, features, derived values."""

    def __init__(self, *groups: Group, timezone: str = "UTC", checks: Sequence[str] = ()) -> None:
        """
        Args:
            timezone: IANA name; holds for times without a zone, for hours and for days.
            checks: What must hold of ingested data before anything trains, such as `nulls(plays.liked) <= 0.1`.
        """
        self.groups, self.timezone, self.checks, self.at = groups, timezone, tuple(checks), caller()
        for group in groups:
            if not isinstance(group, Events | Table | Features | Derived):
                rule = "made of Events, Table, Features and Derived"
                raise InvalidField(where=self.at, part="Data", field="groups", rule=rule, value=group)
        for group in groups:
            if group._name == ANSWERS and isinstance(group, Events | Table):
                rule = "named otherwise than answers, the stream of what the server showed, which needs no naming"
                raise InvalidField(where=group._at, part=type(group).__name__, field="name", rule=rule, value=ANSWERS)
        names = [group._name for group in groups]
        if twice := [name for name in names if names.count(name) > 1]:
            raise InvalidField(where=self.at, part="Data", field="groups", rule="named differently", value=twice[0])
        try:
            ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            rule = "an IANA time zone such as 'Europe/Paris'"
            raise InvalidField(where=self.at, part="Data", field="timezone", rule=rule, value=timezone) from error
