"""Data that breaks the design's promise."""

from collections.abc import Iterable

from sixfold.errors.base import SixfoldError, closest

__all__ = [
    "ChecksFailed",
    "ComputationFailed",
    "DataError",
    "DatabaseFailed",
    "DriverMissing",
    "EmptyPart",
    "FileUnreadable",
    "FolderTaken",
    "IngestedDamaged",
    "MissingColumn",
    "NoExamples",
    "NoItems",
    "NoSuchFile",
    "NothingToCalibrate",
    "NothingToLearn",
    "NothingToPredict",
    "NothingToRead",
    "QueryFailed",
    "SourceUnreadable",
    "TimeWithoutUnit",
    "WorkdirUnusable",
    "WorldFailed",
    "WrongColumn",
]


class DataError(SixfoldError, ValueError):
    """The data breaks the design's promise."""


class FileUnreadable(DataError):
    """
    >>> print(FileUnreadable(path="events.txt", reason="its name must end in .csv"))
    events.txt cannot be read: its name must end in .csv
    """

    def __init__(self, *, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path} cannot be read: {reason}")


class NothingToRead(DataError):
    """
    >>> print(NothingToRead(pattern="data/*.cvs"))
    nothing is called data/*.cvs, so there is no design to propose. Name CSV, Parquet or JSON lines files, or a folder \
of them.
    >>> print(NothingToRead(pattern="data", folder=True))
    data holds no CSV, Parquet or JSON lines file, so there is no design to propose. Name files, or their folder.
    >>> print(NothingToRead(pattern="a.csv", empty=True))
    a.csv: no row in it, so there is no design to propose. A design is guessed from values: bring a few thousand rows.
    """

    def __init__(self, *, pattern: str, folder: bool = False, empty: bool = False) -> None:
        self.pattern, self.folder, self.empty = pattern, folder, empty
        why, fix = f"nothing is called {pattern}", "Name CSV, Parquet or JSON lines files, or a folder of them."
        if folder:
            why, fix = f"{pattern} holds no CSV, Parquet or JSON lines file", "Name files, or their folder."
        if empty:
            why, fix = f"{pattern}: no row in it", "A design is guessed from values: bring a few thousand rows."
        super().__init__(f"{why}, so there is no design to propose. {fix}")


class NothingToPredict(DataError):
    """
    >>> print(NothingToPredict(files=["a.csv"], columns=["a"]))
    a.csv: no column says what came of a row (a flag, a rating, a class, a number), and no two say who did what, \
so there is nothing to predict. Columns: a.
    """

    def __init__(self, *, files: Iterable[str], columns: Iterable[str]) -> None:
        self.files, self.columns = list(files), list(columns)
        more = f" and {len(self.columns) - 20} more" if len(self.columns) > 20 else ""
        super().__init__(
            f"{', '.join(self.files)}: no column says what came of a row (a flag, a rating, a class, a number), and no "
            f"two say who did what, so there is nothing to predict. Columns: {', '.join(self.columns[:20])}{more}."
        )


class FolderTaken(DataError):
    """
    >>> print(FolderTaken(path="shop"))
    shop is there already, and nothing is written over it. Choose another name, or move it.
    """

    def __init__(self, *, path: str) -> None:
        self.path = path
        super().__init__(f"{path} is there already, and nothing is written over it. Choose another name, or move it.")


class WorkdirUnusable(DataError):
    """
    >>> print(WorkdirUnusable(path="/mnt/work", reason="Permission denied"))
    /mnt/work cannot hold what a run makes: Permission denied. Choose another folder with --workdir.
    """

    def __init__(self, *, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path} cannot hold what a run makes: {reason}. Choose another folder with --workdir.")


class WorldFailed(DataError):
    """
    >>> print(WorldFailed(path="systems/video/world.py", reason="disk full"))
    systems/video/world.py could not generate sample data: disk full
    """

    def __init__(self, *, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path} could not generate sample data: {reason}")


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


class ChecksFailed(DataError):
    """
    >>> print(ChecksFailed(where="feed.py:9", failed=[("nulls(a.b) <= 0.1", 0.25), ("min(a.x) >= 0", None)]))
    feed.py:9: nulls(a.b) <= 0.1 does not hold, it is 0.25; min(a.x) >= 0 does not hold, there is nothing to measure. \
Look at the source, or change the check.
    """

    def __init__(self, *, where: str, failed: list[tuple[str, float | None]]) -> None:
        self.where, self.failed = where, failed
        told = [
            f"{text} does not hold, {'there is nothing to measure' if value is None else f'it is {value:.6g}'}"
            for text, value in failed
        ]
        super().__init__(f"{where}: {'; '.join(told)}. Look at the source, or change the check.")


class NoItems(DataError):
    """
    >>> print(NoItems(where="feed.py:4", item="video", source="videos"))
    feed.py:4: videos names no video at all, so there is nothing to choose from. Look at its source.
    """

    def __init__(self, *, where: str, item: str, source: str) -> None:
        self.where, self.item, self.source = where, item, source
        super().__init__(
            f"{where}: {source} names no {item} at all, so there is nothing to choose from. Look at its source."
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


class NothingToCalibrate(DataError):
    """
    >>> print(NothingToCalibrate(where="feed.py:12", label="click", rows=40))
    feed.py:12: click cannot be calibrated: its 40 labels in the validation part are all the same. Validate on more \
data, or leave `calibrate` out.
    """

    def __init__(self, *, where: str, label: str, rows: int) -> None:
        self.where, self.label, self.rows = where, label, rows
        super().__init__(
            f"{where}: {label} cannot be calibrated: its {rows} labels in the validation part are all the same. "
            "Validate on more data, or leave `calibrate` out."
        )


class NothingToLearn(DataError):
    """
    >>> print(NothingToLearn(where="feed.py:12", part="Network ranker", label="click", examples=40))
    feed.py:12: Network ranker learns click, which is null in all 40 examples of the training part.
    """

    def __init__(self, *, where: str, part: str, label: str, examples: int) -> None:
        self.where, self.part, self.label, self.examples = where, part, label, examples
        super().__init__(
            f"{where}: {part} learns {label}, which is null in all {examples} examples of the training part."
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

    def __init__(self, *, path: str, reason: str, fix: str = "Delete the folder and run again.") -> None:
        self.path, self.reason, self.fix = path, reason, fix
        super().__init__(f"{path}: the ingested data cannot be read: {reason}. {fix}")
