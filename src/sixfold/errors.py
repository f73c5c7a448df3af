"""What can go wrong, and the only place where it is worded.

SixfoldError
├── DesignError          the design cannot be run as written; raised before any data is read
│   ├── InvalidField     a field's value is out of range
│   ├── BadExpression    an expression is not SQL, or uses a part of SQL that expressions leave out
│   ├── UnknownFunction  an expression calls a function that expressions do not have
│   ├── UnknownName      an expression reads a name that nothing provides
│   ├── WrongType        an expression applies an operation to kinds of values that it does not take
│   ├── UnknownColumn    a group has no such column
│   ├── UnreachableEntity, AmbiguousEntity   a row leads to an entity's key in no way, or in two
│   ├── DerivedCycle     derived values read each other
│   ├── WindowTooLong    a window reaches back beyond the events kept
│   ├── OutcomeAsInput   a model reads what is known only afterwards
│   ├── InvalidMetric    a metric or a gate is not written in the language, or lacks what it needs
│   ├── UnknownInMetric  a metric or a gate names what does not exist
│   ├── UnknownStep      a run has no step of that name
│   └── NotADesign       a file makes no System, or more than one
├── DataError            the data breaks the design's promise
│   ├── FileUnreadable   a file of events to send cannot be read
│   ├── WorldFailed      sample data could not be generated
│   ├── NoSuchFile       no file is where a source looks
│   ├── MissingColumn    a source lacks a column that the design declares
│   ├── WrongColumn      no value of a column is of its type
│   ├── TimeWithoutUnit  a time is a number, and the design does not say in which unit
│   ├── SourceUnreadable a file is damaged, or of another format
│   ├── QueryFailed      a query over files cannot be run
│   ├── ComputationFailed   DuckDB could not compute features
│   ├── NoExamples       no row of the stream is an example
│   ├── EmptyPart        the split leaves a part without examples
│   ├── DatabaseFailed   a database is unreachable, or refuses what was asked of it
│   ├── DriverMissing    a database's driver is not installed
│   └── IngestedDamaged  the folder of ingested data cannot be read
├── ReleaseError         a release is damaged, missing, or does not fit
│   ├── ExportDiffers    an exported model says something else than the trained one
│   ├── ChampionDiffers  the release now serving reads what this design does not compute
│   ├── ReleaseDamaged   a file of it is missing, changed or unreadable
│   ├── ReleaseMissing   there is none of that name, or none at all
│   └── ReleaseMismatch  it was made by definitions other than those in use
├── ServingError         a request or a server cannot be answered as asked
│   ├── InvalidRequest   a field of a request is not what it must be
│   ├── UnknownInRequest a request names what does not exist
│   ├── InvalidClock     a server's clock is neither `wall`, `data` nor a time
│   ├── PortTaken        a server cannot listen where it was told to
│   ├── OneProcess       a server was asked for more processes than it can be
│   ├── NothingReleased  there is no release to serve
│   └── NoSource         a design takes candidates from a model that serving cannot ask for them
└── StoreError           an event log or an online store cannot do what was asked of it
    ├── StoreUnusable    its folder cannot be opened: path, permission, format, damage
    ├── StoreTorn        a power cut came while it had writes that were not on the disk
    ├── StoreBusy        it is open already, by this process or by another writer
    ├── StoreClosed      it was closed before this use
    ├── StoreFailed      the engine below refused to read or write: disk full, damage
    ├── OffsetBehind     a commit would take the applied log offset back
    ├── InvalidKey       a space or a key breaks the limits that all stores share
    ├── InvalidEvent     an event breaks the limits that all logs share
    ├── StateMismatch    a store's rows were made for other definitions than the design's
    ├── StateUnfinished  a store was left in the middle of its build from history
    └── StateNotEmpty    a build from history would add to state that is there already
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

__all__ = [
    "AmbiguousEntity",
    "BadExpression",
    "ComputationFailed",
    "DataError",
    "DatabaseFailed",
    "DerivedCycle",
    "DesignError",
    "DriverMissing",
    "EmptyPart",
    "ExportDiffers",
    "IngestedDamaged",
    "InvalidEvent",
    "InvalidField",
    "InvalidKey",
    "InvalidMetric",
    "MissingColumn",
    "NoExamples",
    "NoSuchFile",
    "NotADesign",
    "OffsetBehind",
    "OutcomeAsInput",
    "QueryFailed",
    "ReleaseDamaged",
    "ReleaseError",
    "FileUnreadable",
    "ServerUnreachable",
    "UnknownStep",
    "ChampionDiffers",
    "WorldFailed",
    "ReleaseMismatch",
    "ReleaseMissing",
    "InvalidRequest",
    "UnknownInRequest",
    "InvalidClock",
    "PortTaken",
    "OneProcess",
    "NothingReleased",
    "NoSource",
    "ServingError",
    "SixfoldError",
    "SourceUnreadable",
    "StateMismatch",
    "StateNotEmpty",
    "StateUnfinished",
    "StoreBusy",
    "StoreClosed",
    "StoreError",
    "StoreFailed",
    "StoreTorn",
    "StoreUnusable",
    "TimeWithoutUnit",
    "UnknownColumn",
    "UnknownFunction",
    "UnknownInMetric",
    "UnknownName",
    "UnreachableEntity",
    "WindowTooLong",
    "WrongColumn",
    "WrongType",
]


class SixfoldError(Exception):
    """Base of every error that Sixfold raises on purpose."""

    # Workers send errors across processes; pickle's default would call __init__ with the message alone.
    def __reduce__(self) -> tuple[Any, ...]:
        return _revive, (type(self), self.args, self.__dict__)


class DesignError(SixfoldError, ValueError):
    """The design cannot be run as written."""


class DataError(SixfoldError, ValueError):
    """The data breaks the design's promise."""


class ReleaseError(SixfoldError, RuntimeError):
    """A release is damaged, missing, or does not fit."""


class ServingError(SixfoldError, ValueError):
    """A request or a server cannot be answered as asked."""


class InvalidRequest(ServingError):
    """
    >>> print(InvalidRequest(field="k", rule="from 1 to 1000", got=0))
    k must be from 1 to 1000, got 0
    """

    def __init__(self, *, field: str, rule: str, got: object) -> None:
        self.field, self.rule, self.got = field, rule, got
        shown = repr(got)
        super().__init__(f"{field} must be {rule}, got {shown if len(shown) <= 80 else shown[:77] + '...'}")


class UnknownInRequest(ServingError):
    """
    >>> print(UnknownInRequest(kind="stream or table", name="playz", known=["plays"]))
    no stream or table is named 'playz'. Did you mean 'plays'?
    """

    def __init__(self, *, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind, self.name, self.known = kind, name, list(known)
        hint = closest(name, self.known) or f" There are: {', '.join(self.known) or 'none'}."
        super().__init__(f"no {kind} is named {name!r}.{hint}")


class InvalidClock(ServingError):
    """
    >>> print(InvalidClock(text="noon"))
    --clock must be `wall`, `data`, or a time such as 2022-05-06T00:00:00Z, got 'noon'
    """

    def __init__(self, *, text: str) -> None:
        self.text = text
        super().__init__(f"--clock must be `wall`, `data`, or a time such as 2022-05-06T00:00:00Z, got {text!r}")


class PortTaken(ServingError):
    """
    >>> print(PortTaken(port=8000, reason="Address already in use"))
    cannot listen on 127.0.0.1:8000: Address already in use. Choose another with --port; 0 takes a free one.
    """

    def __init__(self, *, port: int, reason: str) -> None:
        self.port, self.reason = port, reason
        super().__init__(
            f"cannot listen on 127.0.0.1:{port}: {reason}. Choose another with --port; 0 takes a free one."
        )


class OneProcess(ServingError):
    """
    >>> print(OneProcess(workers=4))
    --workers must be 1, got 4: one process both keeps the state and answers; its threads use the cores
    """

    def __init__(self, *, workers: int) -> None:
        self.workers = workers
        super().__init__(
            f"--workers must be 1, got {workers}: one process both keeps the state and answers; "
            "its threads use the cores"
        )


class NothingReleased(ServingError):
    """
    >>> print(NothingReleased(folder="work/releases"))
    work/releases has no release to serve. Make one with `sixfold run`.
    """

    def __init__(self, *, folder: str) -> None:
        self.folder = folder
        super().__init__(f"{folder} has no release to serve. Make one with `sixfold run`.")


class NoSource(ServingError):
    """
    >>> print(NoSource(where="feed.py:9", model="neighbours", type="ItemNeighbours"))
    feed.py:9: neighbours.top(…) cannot be served: candidates come from a Rule or a TwoTower, not from ItemNeighbours
    """

    def __init__(self, *, where: str, model: str, type: str) -> None:
        self.where, self.model, self.type = where, model, type
        super().__init__(
            f"{where}: {model}.top(…) cannot be served: candidates come from a Rule or a TwoTower, not from {type}"
        )


class InvalidField(DesignError):
    """
    >>> print(InvalidField(where="feed.py:3", part="Requirements", field="p99_ms", rule="above 0", value=-1))
    feed.py:3: Requirements.p99_ms must be above 0, got -1
    """

    def __init__(self, *, where: str, part: str, field: str, rule: str, value: object) -> None:
        self.where, self.part, self.field, self.rule, self.value = where, part, field, rule, value
        super().__init__(f"{where}: {part}.{field} must be {rule}, got {value!r}")


class StoreError(SixfoldError, RuntimeError):
    """An event log or an online store cannot do what was asked of it."""


class StoreUnusable(StoreError):
    """
    >>> print(StoreUnusable(path="work/state", reason="holds a log, not a store"))
    work/state: cannot be opened: holds a log, not a store
    """

    def __init__(self, *, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path}: cannot be opened: {reason}")


class StoreTorn(StoreError):
    """
    >>> print(StoreTorn(path="work/state"))
    work/state: the machine stopped while this state was not yet on the disk, so it cannot be trusted. \
Delete the folder and build it again from history and the log.
    """

    def __init__(self, *, path: str) -> None:
        self.path = path
        super().__init__(
            f"{path}: the machine stopped while this state was not yet on the disk, so it cannot be trusted. "
            "Delete the folder and build it again from history and the log."
        )


class StoreBusy(StoreError):
    """
    >>> print(StoreBusy(path="work/state", by="this process", fix="Share the object that has it open."))
    work/state: is open already in this process. Share the object that has it open.
    """

    def __init__(self, *, path: str, by: str, fix: str) -> None:
        self.path, self.by, self.fix = path, by, fix
        super().__init__(f"{path}: is open already in {by}. {fix}")


class StoreClosed(StoreError):
    """
    >>> print(StoreClosed(path="work/state"))
    work/state: was closed; open it again to use it
    """

    def __init__(self, *, path: str) -> None:
        self.path = path
        super().__init__(f"{path}: was closed; open it again to use it")


class StoreFailed(StoreError):
    """
    >>> print(StoreFailed(path="work/log", doing="write", reason="No space left on device"))
    work/log: could not write: No space left on device
    """

    def __init__(self, *, path: str, doing: str, reason: str) -> None:
        self.path, self.doing, self.reason = path, doing, reason
        super().__init__(f"{path}: could not {doing}: {reason}")


class OffsetBehind(StoreError):
    """
    >>> print(OffsetBehind(path="work/state", offset=7, applied=9))
    work/state: a commit with log offset 7 was refused, since offset 9 is applied already. Continue reading after 9.
    """

    def __init__(self, *, path: str, offset: int, applied: int) -> None:
        self.path, self.offset, self.applied = path, offset, applied
        super().__init__(
            f"{path}: a commit with log offset {offset} was refused, since offset {applied} is applied already. "
            f"Continue reading after {applied}."
        )


class InvalidKey(StoreError):
    """
    >>> print(InvalidKey(space="videos", part="a key", rule="at most 400 bytes", got="512 bytes"))
    space 'videos': a key must be at most 400 bytes, got 512 bytes
    """

    def __init__(self, *, space: str, part: str, rule: str, got: str) -> None:
        self.space, self.part, self.rule, self.got = space, part, rule, got
        super().__init__(f"space {space!r}: {part} must be {rule}, got {got}")


class InvalidEvent(StoreError):
    """
    >>> print(InvalidEvent(index=3, stream="plays", field="time_us", rule="within 2**61 of 0", got="2**62"))
    event 3 of stream 'plays': time_us must be within 2**61 of 0, got 2**62
    """

    def __init__(self, *, index: int, stream: str, field: str, rule: str, got: str) -> None:
        self.index, self.stream, self.field, self.rule, self.got = index, stream, field, rule, got
        super().__init__(f"event {index} of stream {stream!r}: {field} must be {rule}, got {got}")


class UnknownColumn(DesignError):
    """
    >>> print(UnknownColumn(where="feed.py:8", group="videos", column="autor", known=["author", "tags"]))
    feed.py:8: videos has no column 'autor'. Did you mean 'author'?
    """

    def __init__(self, *, where: str, group: str, column: str, known: Iterable[str]) -> None:
        self.where, self.group, self.column, self.known = where, group, column, list(known)
        super().__init__(f"{where}: {group} has no column {column!r}.{closest(column, self.known)}")


class UnreachableEntity(DesignError):
    """
    >>> print(UnreachableEntity(where="feed.py:8", part="Features craft", entity="author", known=["viewer", "video"]))
    feed.py:8: Features craft needs the key of author, which its rows do not lead to (they lead to viewer, video)
    """

    def __init__(self, *, where: str, part: str, entity: str, known: Iterable[str]) -> None:
        self.where, self.part, self.entity, self.known = where, part, entity, list(known)
        super().__init__(
            f"{where}: {part} needs the key of {entity}, which its rows do not lead to "
            f"(they lead to {', '.join(self.known)})"
        )


class AmbiguousEntity(DesignError):
    """
    >>> print(AmbiguousEntity(where="feed.py:8", part="Features craft", entity="tag", ways=["a.tags", "b.tags"]))
    feed.py:8: Features craft finds the key of tag in two ways, a.tags and b.tags: name one of the entities otherwise
    """

    def __init__(self, *, where: str, part: str, entity: str, ways: Iterable[str]) -> None:
        self.where, self.part, self.entity, self.ways = where, part, entity, list(ways)
        super().__init__(
            f"{where}: {part} finds the key of {entity} in two ways, {' and '.join(self.ways)}: "
            "name one of the entities otherwise"
        )


class DerivedCycle(DesignError):
    """
    >>> print(DerivedCycle(where="feed.py:8", cycle=["a", "b", "a"]))
    feed.py:8: derived values read each other in a circle: a -> b -> a
    """

    def __init__(self, *, where: str, cycle: Iterable[str]) -> None:
        self.where, self.cycle = where, list(cycle)
        super().__init__(f"{where}: derived values read each other in a circle: {' -> '.join(self.cycle)}")


class WindowTooLong(DesignError):
    """
    >>> day = 86_400_000_000
    >>> print(WindowTooLong(where="feed.py:8", part="Features taste.n", window_us=10 * day, stream="log", keep_us=day))
    feed.py:8: Features taste.n has a window of 10 days, but log keeps its events for 1 days (keep=)
    """

    def __init__(self, *, where: str, part: str, window_us: int, stream: str, keep_us: int) -> None:
        self.where, self.part, self.window_us, self.stream, self.keep_us = where, part, window_us, stream, keep_us
        super().__init__(
            f"{where}: {part} has a window of {window_us / 86_400_000_000:g} days, but {stream} keeps its events "
            f"for {keep_us / 86_400_000_000:g} days (keep=)"
        )


class OutcomeAsInput(DesignError):
    """
    >>> print(OutcomeAsInput(where="feed.py:8", part="ranker", name="log.clicked", framing="feed.py:5"))
    feed.py:8: ranker reads log.clicked, an outcome of the examples: name it in Framing.context (feed.py:5) if known
    """

    def __init__(self, *, where: str, part: str, name: str, framing: str) -> None:
        self.where, self.part, self.name, self.framing = where, part, name, framing
        super().__init__(
            f"{where}: {part} reads {name}, an outcome of the examples: name it in Framing.context ({framing}) if known"
        )


class InvalidMetric(DesignError):
    """
    >>> print(InvalidMetric(where="feed.py:8", part="Gate", text="recall", rule="cut at k items, such as recall@20"))
    feed.py:8: Gate: 'recall' must be cut at k items, such as recall@20
    """

    def __init__(self, *, where: str, part: str, text: object, rule: str) -> None:
        self.where, self.part, self.text, self.rule = where, part, text, rule
        super().__init__(f"{where}: {part}: {text!r} must be {rule}")


class UnknownInMetric(DesignError):
    """
    >>> print(UnknownInMetric(where="f.py:8", part="Gate", text="auc(clk)", kind="label", name="clk", known=["click"]))
    f.py:8: Gate: 'auc(clk)' names no known label: 'clk'. Did you mean 'click'?
    """

    def __init__(self, *, where: str, part: str, text: str, kind: str, name: str, known: Iterable[str]) -> None:
        self.where, self.part, self.text, self.kind = where, part, text, kind
        self.name, self.known = name, list(known)
        hint = closest(name, self.known) or f" There are: {', '.join(self.known) or 'none'}."
        super().__init__(f"{where}: {part}: {text!r} names no known {kind}: {name!r}.{hint}")


class NotADesign(DesignError):
    """
    >>> print(NotADesign(path="feed.py", reason="it makes no System"))
    feed.py: not a design: it makes no System
    """

    def __init__(self, *, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path}: not a design: {reason}")


class ExportDiffers(ReleaseError):
    """
    >>> print(ExportDiffers(path="m/model.onnx", output="click", difference=0.5, tolerance=1e-4))
    m/model.onnx: the exported model differs from the trained one in click by 0.5 (allowed 0.0001)
    """

    def __init__(self, *, path: str, output: str, difference: float, tolerance: float) -> None:
        self.path, self.output, self.difference, self.tolerance = path, output, difference, tolerance
        super().__init__(
            f"{path}: the exported model differs from the trained one in {output} by {difference:g} "
            f"(allowed {tolerance:g})"
        )


class WorldFailed(DataError):
    """
    >>> print(WorldFailed(path="systems/video/world.py", reason="disk full"))
    systems/video/world.py could not generate sample data: disk full
    """

    def __init__(self, *, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path} could not generate sample data: {reason}")


class ChampionDiffers(ReleaseError):
    """
    >>> print(ChampionDiffers(names=["taste.likes"]))
    the release now serving reads taste.likes, which this design does not compute: a `champion.` gate cannot score it
    """

    def __init__(self, *, names: Iterable[str]) -> None:
        self.names = list(names)
        super().__init__(
            f"the release now serving reads {', '.join(self.names)}, which this design does not compute: "
            "a `champion.` gate cannot score it"
        )


class UnknownStep(DesignError):
    """
    >>> print(UnknownStep(name="trian-ranker", known=["ingest", "train-ranker"]))
    there is no step 'trian-ranker'. Did you mean 'train-ranker'?
    """

    def __init__(self, *, name: str, known: Iterable[str]) -> None:
        self.name, self.known = name, list(known)
        super().__init__(f"there is no step {name!r}.{closest(name, self.known)}")


class FileUnreadable(DataError):
    """
    >>> print(FileUnreadable(path="events.txt", reason="its name must end in .csv"))
    events.txt cannot be read: its name must end in .csv
    """

    def __init__(self, *, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path} cannot be read: {reason}")


class ServerUnreachable(ServingError):
    """
    >>> print(ServerUnreachable(url="http://127.0.0.1:8000/v1/events/log", reason="connection refused"))
    http://127.0.0.1:8000/v1/events/log: connection refused. Is a server running (`sixfold serve`)?
    """

    def __init__(self, *, url: str, reason: str) -> None:
        self.url, self.reason = url, reason
        super().__init__(f"{url}: {reason}. Is a server running (`sixfold serve`)?")


class ReleaseDamaged(ReleaseError):
    """
    >>> print(ReleaseDamaged(path="releases/r3/model.onnx", reason="its content changed since it was released"))
    releases/r3/model.onnx: the release is damaged: its content changed since it was released
    """

    def __init__(self, *, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path}: the release is damaged: {reason}")


class ReleaseMissing(ReleaseError):
    """
    >>> print(ReleaseMissing(name="r3", known=["r1", "r2"], folder="work/releases"))
    work/releases has no release 'r3' (it has r1, r2). Make one with `sixfold run`.
    """

    def __init__(self, *, name: str, known: Iterable[str], folder: str) -> None:
        self.name, self.known, self.folder = name, list(known), folder
        has = ", ".join(self.known) or "none"
        super().__init__(f"{folder} has no release {name!r} (it has {has}). Make one with `sixfold run`.")


class ReleaseMismatch(ReleaseError):
    """
    >>> print(ReleaseMismatch(name="r3", what="feature definitions", expected="ab12", found="cd34"))
    release r3 does not fit: its feature definitions have fingerprint cd34, the design's have ab12
    """

    def __init__(self, *, name: str, what: str, expected: str, found: str) -> None:
        self.name, self.what, self.expected, self.found = name, what, expected, found
        super().__init__(
            f"release {name} does not fit: its {what} have fingerprint {found}, the design's have {expected}"
        )


class BadExpression(DesignError):
    """
    >>> print(BadExpression(where="feed.py:41", part="Label watch_s", text="a +", reason="nothing follows +"))
    feed.py:41: Label watch_s cannot read the expression 'a +': nothing follows +
    """

    def __init__(self, *, where: str, part: str, text: str, reason: str) -> None:
        self.where, self.part, self.text, self.reason = where, part, text, reason
        super().__init__(f"{where}: {part} cannot read the expression {text!r}: {reason}")


class UnknownFunction(DesignError):
    """
    >>> print(UnknownFunction(where="feed.py:41", part="Rule near", name="haversine", known=["haversine_km"]))
    feed.py:41: Rule near calls 'haversine', which is no function of expressions. Did you mean 'haversine_km'?
    """

    def __init__(self, *, where: str, part: str, name: str, known: Iterable[str]) -> None:
        self.where, self.part, self.name = where, part, name
        super().__init__(f"{where}: {part} calls {name!r}, which is no function of expressions.{closest(name, known)}")


class UnknownName(DesignError):
    """
    >>> print(UnknownName(where="feed.py:41", part="Rule new", name="videos.uplaoded", known=["videos.uploaded"]))
    feed.py:41: Rule new reads 'videos.uplaoded', which nothing provides. Did you mean 'videos.uploaded'?
    """

    def __init__(self, *, where: str, part: str, name: str, known: Iterable[str]) -> None:
        self.where, self.part, self.name = where, part, name
        super().__init__(f"{where}: {part} reads {name!r}, which nothing provides.{closest(name, known)}")


class WrongType(DesignError):
    """
    >>> print(WrongType(where="feed.py:41", part="Rule new", text="kind > 3", reason="> does not take text and number"))
    feed.py:41: Rule new cannot compute 'kind > 3': > does not take text and number
    """

    def __init__(self, *, where: str, part: str, text: str, reason: str) -> None:
        self.where, self.part, self.text, self.reason = where, part, text, reason
        super().__init__(f"{where}: {part} cannot compute {text!r}: {reason}")


class StateMismatch(StoreError):
    """
    >>> print(StateMismatch(what="a row of features 'taste'"))
    a row of features 'taste' was made for other definitions than the design's. \
Build the state again from history and the log.
    """

    def __init__(self, *, what: str) -> None:
        self.what = what
        super().__init__(
            f"{what} was made for other definitions than the design's. Build the state again from history and the log."
        )


class StateUnfinished(StoreError):
    """
    >>> print(StateUnfinished())
    the online store holds half of a build from history. Delete its folder and build it again.
    """

    def __init__(self) -> None:
        super().__init__("the online store holds half of a build from history. Delete its folder and build it again.")


class StateNotEmpty(StoreError):
    """
    >>> print(StateNotEmpty(offset=12))
    the online store holds state already (log offset 12); a build from history needs an empty one
    """

    def __init__(self, *, offset: int) -> None:
        self.offset = offset
        super().__init__(
            f"the online store holds state already (log offset {offset}); a build from history needs an empty one"
        )


class NoSuchFile(DataError):
    """
    >>> print(NoSuchFile(where="feed.py:3", part="Events plays", pattern="log*.parquet", folder="data"))
    feed.py:3: Events plays reads 'log*.parquet', but no such file is in data
    """

    def __init__(self, *, where: str, part: str, pattern: str, folder: str) -> None:
        self.where, self.part, self.pattern, self.folder = where, part, pattern, folder
        super().__init__(f"{where}: {part} reads {pattern!r}, but no such file is in {folder}")


class MissingColumn(DataError):
    """
    >>> print(MissingColumn(where="feed.py:3", part="Events plays", column="user", source="log.csv", known=["user_id"]))
    feed.py:3: Events plays reads column 'user', which log.csv does not have. Did you mean 'user_id'?
    """

    def __init__(self, *, where: str, part: str, column: str, source: str, known: Iterable[str]) -> None:
        self.where, self.part, self.column, self.source, self.known = where, part, column, source, list(known)
        hint = closest(column, self.known)
        super().__init__(f"{where}: {part} reads column {column!r}, which {source} does not have.{hint}")


class WrongColumn(DataError):
    """
    >>> print(WrongColumn(where="feed.py:3", part="Events plays", column="ms", source="log.csv", wanted="number",
    ...                   found="row 1 has 'long'"))
    feed.py:3: Events plays declares 'ms' as number, but no value of it in log.csv is one: row 1 has 'long'
    """

    def __init__(self, *, where: str, part: str, column: str, source: str, wanted: str, found: str) -> None:
        self.where, self.part, self.column, self.source = where, part, column, source
        self.wanted, self.found = wanted, found
        super().__init__(
            f"{where}: {part} declares {column!r} as {wanted}, but no value of it in {source} is one: {found}"
        )


class TimeWithoutUnit(DataError):
    """
    >>> print(TimeWithoutUnit(where="feed.py:3", part="Events plays", column="ts", source="log.csv", found="BIGINT"))
    feed.py:3: Events plays declares 'ts' as a time, and in log.csv it holds numbers (BIGINT). \
Say their unit: Time('ts', unit='ms').
    """

    def __init__(self, *, where: str, part: str, column: str, source: str, found: str) -> None:
        self.where, self.part, self.column, self.source, self.found = where, part, column, source, found
        super().__init__(
            f"{where}: {part} declares {column!r} as a time, and in {source} it holds numbers ({found}). "
            f"Say their unit: Time({column!r}, unit='ms')."
        )


class SourceUnreadable(DataError):
    """
    >>> print(SourceUnreadable(where="feed.py:3", part="Events plays", source="log.parquet", reason="no magic bytes"))
    feed.py:3: Events plays reads log.parquet, which cannot be read: no magic bytes
    """

    def __init__(self, *, where: str, part: str, source: str, reason: str) -> None:
        self.where, self.part, self.source, self.reason = where, part, source, reason
        super().__init__(f"{where}: {part} reads {source}, which cannot be read: {reason}")


class QueryFailed(DataError):
    """
    >>> print(QueryFailed(where="feed.py:3", part="Events plays", reason="Table 'lgo' does not exist"))
    feed.py:3: the query of Events plays cannot be run: Table 'lgo' does not exist
    """

    def __init__(self, *, where: str, part: str, reason: str) -> None:
        self.where, self.part, self.reason = where, part, reason
        super().__init__(f"{where}: the query of {part} cannot be run: {reason}")


class ComputationFailed(DataError):
    """
    >>> print(ComputationFailed(reason="Out of Memory Error"))
    features could not be computed: Out of Memory Error
    """

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"features could not be computed: {reason}")


class NoExamples(DataError):
    """
    >>> print(NoExamples(where="feed.py:9", stream="plays", rows=0))
    feed.py:9: none of the 0 rows of plays is an example whose labels are known. Look at Framing.where, and at the \
labels' within.
    """

    def __init__(self, *, where: str, stream: str, rows: int) -> None:
        self.where, self.stream, self.rows = where, stream, rows
        super().__init__(
            f"{where}: none of the {rows} rows of {stream} is an example whose labels are known. "
            "Look at Framing.where, and at the labels' within."
        )


class EmptyPart(DataError):
    """
    >>> print(EmptyPart(where="feed.py:12", part="validation", examples=3))
    feed.py:12: the split leaves none of the 3 examples for validation. Choose shorter parts, or bring more data.
    """

    def __init__(self, *, where: str, part: str, examples: int) -> None:
        self.where, self.part, self.examples = where, part, examples
        super().__init__(
            f"{where}: the split leaves none of the {examples} examples for {part}. "
            "Choose shorter parts, or bring more data."
        )


class DatabaseFailed(DataError):
    """
    >>> print(DatabaseFailed(where="feed.py:3", part="Events plays", source="sqlite table p", reason="no table p"))
    feed.py:3: Events plays reads sqlite table p, and the database says: no table p
    """

    def __init__(self, *, where: str, part: str, source: str, reason: str) -> None:
        self.where, self.part, self.source, self.reason = where, part, source, reason
        super().__init__(f"{where}: {part} reads {source}, and the database says: {reason}")


class DriverMissing(DataError):
    """
    >>> print(DriverMissing(where="feed.py:3", part="Events plays", driver="adbc_driver_sqlite"))
    feed.py:3: Events plays reads a database, whose driver adbc_driver_sqlite is not installed. \
Install it: pip install 'sixfold[databases]'.
    """

    def __init__(self, *, where: str, part: str, driver: str) -> None:
        self.where, self.part, self.driver = where, part, driver
        super().__init__(
            f"{where}: {part} reads a database, whose driver {driver} is not installed. "
            "Install it: pip install 'sixfold[databases]'."
        )


class IngestedDamaged(DataError):
    """
    >>> print(IngestedDamaged(path="work/ingested/plays", reason="manifest.json is not JSON"))
    work/ingested/plays: the ingested data cannot be read: manifest.json is not JSON. Delete the folder and run again.
    """

    def __init__(self, *, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path}: the ingested data cannot be read: {reason}. Delete the folder and run again.")


def _revive(cls: type[SixfoldError], args: tuple[Any, ...], fields: dict[str, Any]) -> SixfoldError:
    error = cls.__new__(cls, *args)
    vars(error).update(fields)
    return error


def closest(name: str, known: Iterable[str]) -> str:
    """The words ` Did you mean 'x'?` for the known name nearest to `name`, or nothing."""
    return "".join(f" Did you mean {k!r}?" for k in get_close_matches(name, list(known), n=1))
