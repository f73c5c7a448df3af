"""Event logs and online stores that cannot do what was asked of them."""

from sixfold.errors.base import SixfoldError

__all__ = [
    "DiskFull",
    "InvalidEvent",
    "InvalidKey",
    "LogShorter",
    "OffsetBehind",
    "QueueBehind",
    "SecretMissing",
    "SnapshotLost",
    "StateLost",
    "StateMismatch",
    "StateMoved",
    "StateNotEmpty",
    "StateUnfinished",
    "StoreBusy",
    "StoreClosed",
    "StoreError",
    "StoreFailed",
    "StoreTorn",
    "StoreUnreachable",
    "StoreUnusable",
    "UnsafeSettings",
]


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


class DiskFull(StoreFailed):
    """
    >>> print(DiskFull(path="work/log", free_bytes=4096))
    work/log: could not write: the disk is full (4096 bytes are free). Nothing that was acknowledged is lost; \
it goes on by itself once there is room.
    """

    def __init__(self, *, path: str, free_bytes: int) -> None:
        self.free_bytes = free_bytes
        reason = (
            f"the disk is full ({free_bytes} bytes are free). Nothing that was acknowledged is lost; "
            "it goes on by itself once there is room."
        )
        super().__init__(path=path, doing="write", reason=reason)


class SnapshotLost(StoreError):
    """
    >>> print(SnapshotLost(path="work/state"))
    work/state: the snapshot was let go, since the store had to grow or to close. Take another one.
    """

    def __init__(self, *, path: str) -> None:
        self.path = path
        super().__init__(f"{path}: the snapshot was let go, since the store had to grow or to close. Take another one.")


class StoreUnreachable(StoreError):
    """
    >>> print(StoreUnreachable(path="redis://127.0.0.1:6379/0", doing="write", reason="Connection refused"))
    redis://127.0.0.1:6379/0: could not write: Connection refused. It goes on by itself once the server answers; \
whether this one was done is not known, so send it again.
    """

    def __init__(self, *, path: str, doing: str, reason: str) -> None:
        self.path, self.doing, self.reason = path, doing, reason
        known = "" if doing == "read" else "; whether this one was done is not known, so send it again"
        super().__init__(f"{path}: could not {doing}: {reason}. It goes on by itself once the server answers{known}.")


class UnsafeSettings(StoreError):
    """
    >>> print(UnsafeSettings(path="redis://127.0.0.1:6379/0", setting="appendonly", needed="yes", found="no"))
    redis://127.0.0.1:6379/0: its setting appendonly must be yes, got no: what was acknowledged could be lost. \
Change it in redis.conf, or with `redis-cli config set appendonly yes`.
    """

    def __init__(self, *, path: str, setting: str, needed: str, found: str) -> None:
        self.path, self.setting, self.needed, self.found = path, setting, needed, found
        super().__init__(
            f"{path}: its setting {setting} must be {needed}, got {found}: what was acknowledged could be lost. "
            f"Change it in redis.conf, or with `redis-cli config set {setting} {needed}`."
        )


class SecretMissing(StoreError):
    """
    >>> print(SecretMissing(path="redis://:$REDIS_PASSWORD@cache/0", variable="REDIS_PASSWORD"))
    redis://:$REDIS_PASSWORD@cache/0: the environment variable REDIS_PASSWORD is not set; it must hold the password
    """

    def __init__(self, *, path: str, variable: str) -> None:
        self.path, self.variable = path, variable
        super().__init__(f"{path}: the environment variable {variable} is not set; it must hold the password")


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


class StateMoved(StoreError):
    """
    >>> print(StateMoved(path="work/state", after=7, applied=9))
    work/state: a commit of rows read at log offset 7 was refused, since the store stands at offset 9. \
Another worker applies the log too; read the rows again and continue after 9.
    """

    def __init__(self, *, path: str, after: int, applied: int) -> None:
        self.path, self.after, self.applied = path, after, applied
        super().__init__(
            f"{path}: a commit of rows read at log offset {after} was refused, since the store stands at offset "
            f"{applied}. Another worker applies the log too; read the rows again and continue after {applied}."
        )


class StateLost(StoreError):
    """
    >>> print(StateLost(stood=9, stands=-1))
    the online state stood at log offset 9, and stands at -1 now: it was removed, or its server lost data. \
Start the server again: it builds the state from history and the log.
    """

    def __init__(self, *, stood: int, stands: int) -> None:
        self.stood, self.stands = stood, stands
        super().__init__(
            f"the online state stood at log offset {stood}, and stands at {stands} now: it was removed, or its server "
            "lost data. Start the server again: it builds the state from history and the log."
        )


class QueueBehind(StoreError):
    """
    >>> print(QueueBehind(read=2_000_000, of=10_000_000))
    the queue is being read from the event log: 2,000,000 of 10,000,000 events so far. Ask again in some seconds.
    """

    def __init__(self, *, read: int, of: int) -> None:
        self.read, self.of = read, of
        super().__init__(
            f"the queue is being read from the event log: {read:,} of {of:,} events so far. Ask again in some seconds."
        )


class LogShorter(StoreError):
    """
    >>> print(LogShorter(log="work/log", last=-1, taken=812, by="work/ingested"))
    work/log ends at offset -1, but work/ingested has taken it up to offset 812: it is another log, or lost its end. \
What comes now would count as taken already. Bring the log back, or move it with its offsets.
    """

    def __init__(self, *, log: str, last: int, taken: int, by: str) -> None:
        self.log, self.last, self.taken, self.by = log, last, taken, by
        super().__init__(
            f"{log} ends at offset {last}, but {by} has taken it up to offset {taken}: it is another log, or lost its "
            "end. What comes now would count as taken already. Bring the log back, or move it with its offsets."
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
