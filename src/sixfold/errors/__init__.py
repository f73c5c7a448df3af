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
│   ├── StepNotReady     a step is run before one that it depends on
│   ├── EncoderMissing   a transformer or an image encoder is neither a file nor an installed package
│   ├── EncoderUnusable  it is there, and is not what a network can read a text or an image by
│   ├── LibraryMissing   a library that a part of the design needs is not installed
│   └── NotADesign       a file makes no System, or more than one
├── DataError            the data breaks the design's promise
│   ├── FileUnreadable   a file of events to send cannot be read
│   ├── NothingToRead    no file is named from which a design could be proposed, or none holds a row
│   ├── NothingToPredict no column could be a label of a proposed design
│   ├── FolderTaken      a new design would be written over something
│   ├── WorkdirUnusable  the folder that a run works in cannot be written
│   ├── WorldFailed      sample data could not be generated
│   ├── NoSuchFile       no file is where a source looks
│   ├── MissingColumn    a source lacks a column that the design declares
│   ├── WrongColumn      no value of a column is of its type
│   ├── TimeWithoutUnit  a time is a number, and the design does not say in which unit
│   ├── SourceUnreadable a file is damaged, or of another format
│   ├── QueryFailed      a query over files cannot be run
│   ├── ComputationFailed   DuckDB could not compute features
│   ├── ChecksFailed     a check of the design does not hold of the data
│   ├── NoExamples       no row of the stream is an example
│   ├── NoItems          the table or stream that names the items has none
│   ├── EmptyPart        the split leaves a part without examples
│   ├── NothingToCalibrate  the validation part has labels of one kind alone
│   ├── NothingToLearn      the training part has no value of a label
│   ├── DatabaseFailed   a database is unreachable, or refuses what was asked of it
│   ├── DriverMissing    a database's driver is not installed
│   └── IngestedDamaged  the folder of ingested data cannot be read
├── ReleaseError         a release is damaged, missing, or does not fit
│   ├── ExportDiffers    an exported model says something else than the trained one
│   ├── ChampionDiffers  the release now serving reads what this design does not compute
│   ├── ReleaseDamaged   a file of it is missing, changed or unreadable
│   ├── ReleaseMissing   there is none of that name, or none at all
│   ├── NothingBefore    no release served before the current one, to roll back to
│   └── ReleaseMismatch  it was made by definitions other than those in use
├── ServingError         a request or a server cannot be answered as asked
│   ├── InvalidRequest   a field of a request is not what it must be
│   ├── UnknownInRequest a request names what does not exist
│   ├── InvalidClock     a server's clock is neither `wall`, `data` nor a time
│   ├── PortTaken        a server cannot listen where it was told to
│   ├── OneProcess       a server was asked for more processes than it can be
│   ├── ServerUnreachable   events are sent to a server that does not answer
│   ├── NothingReleased  there is no release to serve
│   ├── NoAnswers        an audit finds no answers in the log
│   ├── StoresChanged    a release names other stores than the server has open
│   └── NoSource         a design takes candidates from a model that serving cannot ask for them
└── StoreError           an event log or an online store cannot do what was asked of it
    ├── StoreUnusable    its folder cannot be opened: path, permission, format, damage
    ├── StoreTorn        a power cut came while it had writes that were not on the disk
    ├── StoreBusy        it is open already, by this process or by another writer
    ├── StoreClosed      it was closed before this use
    ├── StoreFailed      the engine below refused to read or write
    │   └── DiskFull     there is no room to write
    ├── SnapshotLost     a snapshot was let go before its end, since the store had to grow or to close
    ├── StoreUnreachable its server does not answer, or not yet
    ├── UnsafeSettings   its server's settings could lose what was acknowledged
    ├── SecretMissing    the environment does not hold the password that a design names
    ├── QueueBehind      a queue was asked for while the log is still being read for it
    ├── OffsetBehind     a commit would take the applied log offset back
    ├── StateMoved       a commit was made of rows that another worker has changed since they were read
    ├── StateLost        a state stands before where it stood
    ├── LogShorter       a log ends before what was taken of it
    ├── InvalidKey       a space or a key breaks the limits that all stores share
    ├── InvalidEvent     an event breaks the limits that all logs share
    ├── StateMismatch    a store's rows were made for other definitions than the design's
    ├── StateUnfinished  a store was left in the middle of its build from history
    └── StateNotEmpty    a build from history would add to state that is there already
"""

from sixfold.errors.base import SixfoldError
from sixfold.errors.data import (
    ChecksFailed,
    ComputationFailed,
    DatabaseFailed,
    DataError,
    DriverMissing,
    EmptyPart,
    FileUnreadable,
    FolderTaken,
    IngestedDamaged,
    MissingColumn,
    NoExamples,
    NoItems,
    NoSuchFile,
    NothingToCalibrate,
    NothingToLearn,
    NothingToPredict,
    NothingToRead,
    QueryFailed,
    SourceUnreadable,
    TimeWithoutUnit,
    WorkdirUnusable,
    WorldFailed,
    WrongColumn,
)
from sixfold.errors.design import (
    AmbiguousEntity,
    BadExpression,
    DerivedCycle,
    DesignError,
    EncoderMissing,
    EncoderUnusable,
    InvalidField,
    InvalidMetric,
    LibraryMissing,
    NotADesign,
    OutcomeAsInput,
    StepNotReady,
    UnknownColumn,
    UnknownFunction,
    UnknownInMetric,
    UnknownName,
    UnknownStep,
    UnreachableEntity,
    WindowTooLong,
    WrongType,
)
from sixfold.errors.release import (
    ChampionDiffers,
    ExportDiffers,
    NothingBefore,
    ReleaseDamaged,
    ReleaseError,
    ReleaseMismatch,
    ReleaseMissing,
)
from sixfold.errors.serving import (
    InvalidClock,
    InvalidRequest,
    NoAnswers,
    NoSource,
    NothingReleased,
    OneProcess,
    PortTaken,
    ServerUnreachable,
    ServingError,
    StoresChanged,
    UnknownInRequest,
)
from sixfold.errors.stores import (
    DiskFull,
    InvalidEvent,
    InvalidKey,
    LogShorter,
    OffsetBehind,
    QueueBehind,
    SecretMissing,
    SnapshotLost,
    StateLost,
    StateMismatch,
    StateMoved,
    StateNotEmpty,
    StateUnfinished,
    StoreBusy,
    StoreClosed,
    StoreError,
    StoreFailed,
    StoreTorn,
    StoreUnreachable,
    StoreUnusable,
    UnsafeSettings,
)

__all__ = [
    "AmbiguousEntity",
    "BadExpression",
    "ChampionDiffers",
    "ChecksFailed",
    "ComputationFailed",
    "DataError",
    "DatabaseFailed",
    "DerivedCycle",
    "DesignError",
    "DiskFull",
    "DriverMissing",
    "EmptyPart",
    "EncoderMissing",
    "EncoderUnusable",
    "ExportDiffers",
    "FileUnreadable",
    "FolderTaken",
    "IngestedDamaged",
    "InvalidClock",
    "InvalidEvent",
    "InvalidField",
    "InvalidKey",
    "InvalidMetric",
    "InvalidRequest",
    "LibraryMissing",
    "LogShorter",
    "MissingColumn",
    "NoAnswers",
    "NoExamples",
    "NoItems",
    "NoSource",
    "NoSuchFile",
    "NothingToCalibrate",
    "NothingToLearn",
    "NothingToPredict",
    "NothingToRead",
    "NotADesign",
    "NothingBefore",
    "NothingReleased",
    "OffsetBehind",
    "OneProcess",
    "OutcomeAsInput",
    "PortTaken",
    "QueryFailed",
    "QueueBehind",
    "ReleaseDamaged",
    "ReleaseError",
    "ReleaseMismatch",
    "ReleaseMissing",
    "SecretMissing",
    "ServerUnreachable",
    "ServingError",
    "SixfoldError",
    "SnapshotLost",
    "SourceUnreadable",
    "StateLost",
    "StateMismatch",
    "StateMoved",
    "StateNotEmpty",
    "StateUnfinished",
    "StepNotReady",
    "StoreBusy",
    "StoreClosed",
    "StoreError",
    "StoreFailed",
    "StoreTorn",
    "StoreUnreachable",
    "StoreUnusable",
    "StoresChanged",
    "TimeWithoutUnit",
    "UnknownColumn",
    "UnknownFunction",
    "UnknownInMetric",
    "UnknownInRequest",
    "UnknownName",
    "UnknownStep",
    "UnreachableEntity",
    "UnsafeSettings",
    "WindowTooLong",
    "WorkdirUnusable",
    "WorldFailed",
    "WrongColumn",
    "WrongType",
]
