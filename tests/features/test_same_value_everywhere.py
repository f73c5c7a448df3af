"""For random definitions, events, windows and times: stream, bulk build, batch and the oracle give one value."""

from collections.abc import Collection
from contextlib import closing
from itertools import count

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

import sixfold as sf
from sixfold.features.batch import attach
from sixfold.features.state import History
from sixfold.stores import LmdbStore, OnlineStore
from sixfold.stores.redis_store import RedisStore
from sixfold.testing.features import FeatureEngineContract, FeatureStoreContract


class TestLmdb(FeatureStoreContract):
    numbers = count()

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _folder(cls, tmp_path_factory):
        cls.folder = tmp_path_factory.mktemp("states")

    def make(self) -> OnlineStore:
        return LmdbStore(self.folder / str(next(self.numbers)), map_bytes=1 << 20)


class TestRedis(FeatureStoreContract):
    numbers = count()

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _server(cls, redis_server):
        cls.url = redis_server.url

    def make(self) -> OnlineStore:
        return RedisStore(self.url, f"features:{next(self.numbers)}")


class TestDuckDb(FeatureEngineContract):
    def attach(
        self,
        system: sf.System,
        history: History,
        rows: pa.Table,
        names: Collection[str],
        *,
        as_of_offset: NDArray[np.int64] | None = None,
        as_served: bool = False,
    ) -> pa.Table:
        with closing(duckdb.connect(config={"threads": 1})) as con:
            return attach(con, system, history, rows, names, as_of_offset=as_of_offset, as_served=as_served)
