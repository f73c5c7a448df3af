"""Where state is kept: the event log and the online store, as protocols, on LMDB and on Redis."""

from sixfold.stores.group_commit import GroupCommit
from sixfold.stores.lmdb_log import LmdbLog
from sixfold.stores.lmdb_store import LmdbStore, was_torn
from sixfold.stores.log import EventLog, NewEvent, Receipt, Record
from sixfold.stores.online import MAX_KEY_BYTES, OnlineStore, Row, Snapshot, Snapshots

__all__ = [
    "EventLog",
    "GroupCommit",
    "LmdbLog",
    "LmdbStore",
    "MAX_KEY_BYTES",
    "NewEvent",
    "OnlineStore",
    "Receipt",
    "Record",
    "Row",
    "Snapshot",
    "Snapshots",
    "was_torn",
]
