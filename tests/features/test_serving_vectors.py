"""What a request reads: derived values over features, tables, context and now; and what it may not ask for."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

import sixfold as sf
from sixfold.design.kinds import TEXT, Kind
from sixfold.errors import InvalidField, UnknownColumn
from sixfold.features.arrays import Array, column
from sixfold.features.serving import Reader
from sixfold.features.state import StateWriter
from sixfold.stores import LmdbStore, Record

HOUR, DAY = 3_600_000_000, 86_400_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LmdbStore]:
    with closing(LmdbStore(tmp_path / "state", map_bytes=1 << 20)) as opened:
        yield opened


def system() -> sf.System:
    user, song, genre, band = (sf.Entity(name) for name in ("user", "song", "genre", "band"))
    songs = sf.Table(
        "songs", [], song.key(), valid_from="issued",
        band=band.key(), genres=genre.keys(), seconds=sf.Number(), issued=sf.Time(unit="us"),
    )  # fmt: skip
    bands = sf.Table("bands", [], band.key(), country=sf.Category())
    hears = sf.Events(
        "hears", [], user.key(), song.key(), time=sf.Time(unit="us"), place=sf.Category(), heard=sf.Flag()
    )
    taste = sf.Features("taste", user, hears, n_1d=sf.count(window="1d"))
    style = sf.Features("style", (user, genre), hears, rate=sf.rate("heard", prior=(1, 2)), song=sf.last("song"))
    fame = sf.Features("fame", band, hears, n=sf.count())
    derived = sf.Derived(
        "now_", age_h="(now - songs.issued) / 3600", hour=sf.Category("hour(now)"), home="place = 'home'",
        share="coalesce(fame.n, 0) / (taste.n_1d + 1)",
    )  # fmt: skip
    twice = sf.Derived("twice", age_h="now_.age_h * 2")
    heard = sf.Label("heard_", "heard")
    trees = sf.Trees("trees", inputs=[songs.seconds], heads=[sf.Binary(heard)])
    return sf.System(
        "music",
        sf.Requirements(goal="test", p99_ms=50),
        sf.Framing(query=user, item=song, examples=hears, context=[hears.place], labels=[heard]),
        sf.Data(songs, bands, hears, taste, style, fame, derived, twice, timezone="Asia/Shanghai"),
        sf.Models(trees),
        sf.Evaluation(split=sf.ByTime(validation="1d", test="1d"), metrics=["auc(heard_)"]),
        sf.Deployment(predict=trees, value="heard_"),
    )


def record(offset: int, stream: str, **row: Any) -> Record:
    return Record(offset, 0, stream, 0, msgspec.msgpack.encode(row))


RECORDS = [
    record(0, "bands", band="abba", country="se", valid_from=None),
    record(1, "songs", song="sos", band="abba", genres=["pop", "folk"], seconds=200.0, issued=-HOUR, valid_from=-HOUR),
    record(2, "songs", song="solo", band=None, genres=[], seconds=None, issued=0, valid_from=0),
    record(3, "songs", song="later", band="abba", genres=["pop"], seconds=1.0, issued=DAY, valid_from=DAY),
    record(4, "hears", user="u", song="sos", time=1, known=1, place="home", heard=True),
    record(5, "hears", user="u", song="solo", time=2, known=2, place="home", heard=True),
]


def base(*songs: str | None) -> dict[str, Array]:
    return {
        "user": column(Kind("text", domain="user"), ["u"]),
        "song": column(Kind("text", domain="song"), songs),
        "hears.place": column(TEXT, ["home"]),
    }


def test_a_request_gets_tables_features_and_derived_values(store: LmdbStore) -> None:
    StateWriter(system(), store).apply(RECORDS)
    names = ["songs.seconds", "bands.country", "taste.n_1d", "style.rate", "fame.n", "now_.share", "twice.age_h"]
    found = Reader(system(), store).columns(
        [*names, "now_.hour", "now_.home"], base("sos", "solo", "later", None), HOUR
    )
    values = {name: found[name].to_list() for name in [*names, "now_.hour", "now_.home"]}
    assert values == {
        "songs.seconds": [200.0, None, None, None],
        "bands.country": ["se", None, None, None],
        "taste.n_1d": [2.0],
        "style.rate": [pytest.approx(2 / 3), 0.5, 0.5, 0.5],
        "fame.n": [1.0, 0.0, 0.0, 0.0],
        "now_.share": [pytest.approx(1 / 3), 0.0, 0.0, 0.0],
        "twice.age_h": [4.0, 2.0, None, None],
        "now_.hour": ["9"],
        "now_.home": [True],
    }


def test_a_column_that_does_not_exist_is_named(store: LmdbStore) -> None:
    with pytest.raises(UnknownColumn) as caught:
        Reader(system(), store).columns(["taste.n_2d"], base("sos"), HOUR)
    assert str(caught.value) == "music: taste has no column 'n_2d'. Did you mean 'n_1d'?"
    with pytest.raises(UnknownColumn) as caught:
        Reader(system(), store).group("tast", ["u"], HOUR)
    assert str(caught.value) == "music: features has no column 'tast'. Did you mean 'taste'?"


def test_what_a_list_of_keys_cannot_average_is_refused(store: LmdbStore) -> None:
    StateWriter(system(), store).apply(RECORDS)
    with pytest.raises(
        InvalidField, match=r"song must be a number, since those of a list of keys are combined, got 'text'"
    ):
        Reader(system(), store).columns(["style.song"], base("sos"), HOUR)
