"""From named columns to the arrays that a model reads: vocabularies and scales, fitted on the training part alone."""
# B = rows, N = numbers, C = categories, L = length of a list

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sixfold.design.kinds import Kind
from sixfold.features.arrays import Array, Lists, Values
from sixfold.inference.places import PlaceCoder, place_coder
from sixfold.inference.text import GRAMS, TextCoder
from sixfold.inference.vectors import VectorField
from sixfold.inference.vocabularies import FIRST, NULL, Vocabulary

__all__ = ["Encoder", "NumberScale", "TextCodes", "counts", "extended", "fit"]

_CLIP = 6.0


@dataclass(frozen=True, slots=True)
class NumberScale:
    """How a number enters a model: log1p where it is never negative and spreads widely, then standardised.

    One that never varied in training teaches nothing: it is 0 for the model, whatever comes later.
    """

    name: str
    log: bool
    mean: float
    std: float
    """0: it never varied."""
    nullable: bool
    """A second number says where it is null: where some were in training, and some were not."""

    def encode(self, data: NDArray[Any], valid: NDArray[np.bool_]) -> list[NDArray[np.float32]]:
        """One array of shape (B,), two where the number may be null."""
        x = np.where(valid, data, 0.0).astype(np.float64)
        scaled = _scaled(x, valid, np.asarray(self.log), np.asarray(self.mean), np.asarray(self.std))
        return [scaled, (~valid).astype(np.float32)] if self.nullable else [scaled]


@dataclass(frozen=True, slots=True)
class TextCodes:
    """A text, or a list of texts (padded with zeros to `length`, its last ones kept), and its vocabulary."""

    name: str
    vocabulary: str
    length: int | None = None


@dataclass(frozen=True)
class Encoder:
    """The fitted encoding of a model's inputs.

    It gives `numbers` float32 (B, N), `categories` int64 (B, C), one int64 (B, L) for each list under its name, and
    `raw:NAME` float32 (B,) for each number that the model wants as it is (null as 0).
    """

    numbers: tuple[NumberScale, ...]
    categories: tuple[TextCodes, ...]
    lists: tuple[TextCodes, ...]
    raw: tuple[str, ...]
    vocabularies: dict[str, Vocabulary]
    leaves: tuple[TextCodes, ...] = ()
    """What trees say of a row: int64 (B, trees) under the name, from whoever has the trees."""
    texts: tuple[TextCoder, ...] = ()
    """Prose; each gives arrays of its own (see `inference.text`)."""
    vectors: tuple[VectorField, ...] = ()
    """Prose and images of which encoders make vectors; the arrays come from `inference.vectors`."""
    places: tuple[PlaceCoder, ...] = ()
    """Each gives an array of its own (see `inference.places`)."""

    @property
    def all_lists(self) -> tuple[TextCodes, ...]:
        """Lists of codes, those of leaves too."""
        return (*self.lists, *self.leaves)

    def sizes(self, fields: Sequence[TextCodes]) -> list[int]:
        """How many codes each of these fields has."""
        return [self.vocabularies[field.vocabulary].size for field in fields]

    @property
    def names(self) -> frozenset[str]:
        """Canonical names of the columns that it reads."""
        plain = [*(scale.name for scale in self.numbers), *(one.name for one in (*self.categories, *self.lists))]
        places = (name for coder in self.places for name in (coder.lat, coder.lon))
        return frozenset([*plain, *self.raw, *(coder.name for coder in self.texts), *places])

    @property
    def width(self) -> int:
        """N: numbers, counting those that say where one is null."""
        return sum(1 + scale.nullable for scale in self.numbers)

    def encode_table(self, table: pa.Table) -> dict[str, NDArray[Any]]:
        """Encode whole Arrow columns, as training does."""
        rows = len(table)
        numbers = [part for s in self.numbers for part in s.encode(*_floats(table[s.name]))]
        categories = [self.vocabularies[c.vocabulary].encode(table[c.name]) for c in self.categories]
        arrays: dict[str, NDArray[Any]] = {
            "numbers": np.stack(numbers, 1) if numbers else np.empty((rows, 0), np.float32),
            "categories": np.stack(categories, 1) if categories else np.empty((rows, 0), np.int64),
        }
        for field in self.lists:
            column = table[field.name].combine_chunks()
            flat = self.vocabularies[field.vocabulary].encode(column.flatten())
            sizes = np.asarray(pc.fill_null(pc.list_value_length(column), 0), np.int64)
            arrays[field.name] = _pad(flat, np.concatenate([[0], np.cumsum(sizes)]), field.length or 1)
        for name in self.raw:
            data, valid = _floats(table[name])
            arrays[f"raw:{name}"] = np.where(valid, data, 0.0).astype(np.float32)
        for coder in self.texts:
            arrays |= coder.encode(table[coder.name].to_pylist())
        for place in self.places:
            arrays[place.array] = place.encode(_floats(table[place.lat]), _floats(table[place.lon]))
        return arrays

    def encode(self, columns: Mapping[str, Array], rows: int) -> dict[str, NDArray[Any]]:
        """Encode columns of B rows or of one that stands for all, as serving does."""
        numbers = self._numbers(columns, rows)
        categories = np.empty((rows, len(self.categories)), np.int64)
        for i, one in enumerate(self.categories):
            data, valid = _values(columns[one.name])
            texts = data if valid.all() else np.where(valid, data, np.array(None, object))
            categories[:, i] = self.vocabularies[one.vocabulary].look_up(texts)
        arrays: dict[str, NDArray[Any]] = {"numbers": numbers, "categories": categories}
        for field in self.lists:
            column = columns[field.name]
            assert isinstance(column, Lists)
            flat = self.vocabularies[field.vocabulary].look_up(column.data)
            arrays[field.name] = np.ascontiguousarray(_spread(_pad(flat, column.offsets, field.length or 1), rows))
        for name in self.raw:
            data, valid = _values(columns[name])
            arrays[f"raw:{name}"] = np.ascontiguousarray(_spread(np.where(valid, data, 0.0).astype(np.float32), rows))
        for coder in self.texts:
            found = coder.encode(columns[coder.name].to_list())
            arrays |= {n: a if n.endswith(GRAMS) else np.ascontiguousarray(_spread(a, rows)) for n, a in found.items()}
        for place in self.places:
            points = place.encode(_values(columns[place.lat]), _values(columns[place.lon]))
            arrays[place.array] = np.ascontiguousarray(_spread(points, rows))
        return arrays

    def _numbers(self, columns: Mapping[str, Array], rows: int) -> NDArray[np.float32]:
        """All numbers at once: as `NumberScale.encode` one after the other, shape (B, N)."""
        x, valid = np.zeros((rows, len(self.numbers))), np.empty((rows, len(self.numbers)), bool)
        for i, scale in enumerate(self.numbers):
            data, known = _values(columns[scale.name])
            np.copyto(x[:, i], data, where=known)
            valid[:, i] = known
        scales, nullable = self._scales
        # A number that may be null says behind itself whether it is.
        place = np.arange(len(self.numbers)) + np.cumsum(nullable) - nullable
        numbers = np.empty((rows, self.width), np.float32)
        numbers[:, place] = _scaled(x, valid, *scales)
        numbers[:, place[nullable] + 1] = ~valid[:, nullable]
        return numbers

    @cached_property
    def _scales(self) -> tuple[tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]], NDArray[np.bool_]]:
        """Log, mean and deviation of each number, and which may be null; shape (number of scales,)."""
        log, nullable = (np.array(x, bool) for x in ([s.log for s in self.numbers], [s.nullable for s in self.numbers]))
        mean, std = (np.array(x, np.float64) for x in ([s.mean for s in self.numbers], [s.std for s in self.numbers]))
        return (log, mean, std), nullable

    def to_json(self) -> bytes:
        """The encoding as JSON."""
        return msgspec.json.encode(self)

    @staticmethod
    def from_json(text: bytes) -> "Encoder":
        """The encoding that `to_json` wrote."""
        return msgspec.json.decode(text, type=Encoder)


def fit(
    table: pa.Table,
    kinds: Mapping[str, Kind],
    names: Sequence[str],
    *,
    raw: Sequence[str] = (),
    min_count: int = 1,
    longest: int = 50,
    vocabularies: Mapping[str, Vocabulary] | None = None,
    hashed: Mapping[str, int] | None = None,
    leaves: Mapping[str, tuple[int, int]] | None = None,
    text: Callable[[str], TextCoder] | None = None,
    vectors: Sequence[VectorField] = (),
    places: Sequence[tuple[str, str]] = (),
) -> Encoder:
    """Fit scales and vocabularies on the training rows.

    Args:
        table: The training part: a column for each name.
        kinds: The kind of each column; texts of one domain share a vocabulary.
        names: The model's inputs, in order.
        raw: Numbers that the model wants as they are.
        min_count: A text seen less often is unknown.
        longest: A list longer than this keeps its last elements.
        vocabularies: Taken as they are for the domains that they name.
        hashed: Texts that a hash puts into so many buckets.
        leaves: For each model of trees how many trees it has, and how many codes their leaves take together.
        text: Gives the coder of a column of prose; without it, and without a vector, prose is a category.
        vectors: Columns of which encoders make vectors.
        places: Names of the latitude and the longitude of each place.
    """
    prose = [name for name in names if kinds[name].prose and not kinds[name].is_list] if text is not None else []
    apart = {*prose, *(field.name for field in vectors)}
    texts = [name for name in names if kinds[name].base == "text" and name not in apart]
    hashed = hashed or {}
    domain_of = {n: f"{kinds[n].domain or n}#{hashed[n]}" if n in hashed else kinds[n].domain or n for n in texts}
    domains: dict[str, list[str]] = {}
    for name, domain in domain_of.items():
        domains.setdefault(domain, []).append(name)
    given = {domain_of[name]: Vocabulary(buckets=buckets) for name, buckets in hashed.items()}
    given |= {name: Vocabulary(buckets=codes - FIRST) for name, (_, codes) in (leaves or {}).items()}
    given |= vocabularies or {}
    fitted = {
        domain: given[domain] if domain in given else _vocabulary([table[name] for name in own], min_count)
        for domain, own in domains.items()
    }
    fields = {
        name: TextCodes(name, domain, _longest(table[name], longest) if kinds[name].is_list else None)
        for name, domain in domain_of.items()
    }
    fitted |= {name: given[name] for name in leaves or {}}
    return Encoder(
        tuple(_scale(name, table[name]) for name in names if kinds[name].base != "text"),
        tuple(field for field in fields.values() if field.length is None),
        tuple(field for field in fields.values() if field.length is not None),
        tuple(raw),
        fitted,
        tuple(TextCodes(name, name, trees) for name, (trees, _) in (leaves or {}).items()),
        tuple(text(name) for name in prose) if text is not None else (),
        tuple(vectors),
        tuple(place_coder(*names) for names in places),
    )


def counts(table: pa.Table, encoder: Encoder) -> dict[str, dict[str, int]]:
    """How often each text of a vocabulary's columns is there, by vocabulary; those that are hashed are left out."""
    found: dict[str, dict[str, int]] = {}
    for field in (*encoder.categories, *encoder.lists):
        if not encoder.vocabularies[field.vocabulary].buckets:
            own = found.setdefault(field.vocabulary, {})
            for text, n in _counted([table[field.name]]).items():
                own[text] = own.get(text, 0) + n
    return found


def extended(encoder: Encoder, new: Mapping[str, Sequence[str]]) -> Encoder:
    """The encoding with more texts in its vocabularies; those that it had keep their codes."""
    grown = {name: replace(v, texts=(*v.texts, *new.get(name, ()))) for name, v in encoder.vocabularies.items()}
    return replace(encoder, vocabularies=grown)


def _vocabulary(columns: list[pa.ChunkedArray], min_count: int) -> Vocabulary:
    return Vocabulary(tuple(sorted(text for text, n in _counted(columns).items() if n >= min_count)))


def _counted(columns: list[pa.ChunkedArray]) -> dict[str, int]:
    flat = [pc.list_flatten(c) if pa.types.is_list(c.type) or pa.types.is_large_list(c.type) else c for c in columns]
    counts: dict[str, int] = {}
    for column in flat:
        for entry in pc.value_counts(
            column.combine_chunks() if len(column.chunks) != 1 else column.chunk(0)
        ).to_pylist():
            if entry["values"] is not None:
                counts[entry["values"]] = counts.get(entry["values"], 0) + entry["counts"]
    return counts


def _scale(name: str, column: pa.ChunkedArray) -> NumberScale:
    data, valid = _floats(column)
    x = data[valid]
    if not len(x):
        return NumberScale(name, False, 0.0, 0.0, False)
    log = bool(x.min() >= 0 and x.max() > 5)
    x = np.log1p(x) if log else x
    return NumberScale(
        name, log, float(x.mean()), float(x.std()) if x.min() < x.max() else 0.0, bool(len(x) < len(data))
    )


def _longest(column: pa.ChunkedArray, longest: int) -> int:
    return max(1, min(longest, pc.max(pc.list_value_length(column)).as_py() or 1))


def _floats(column: pa.ChunkedArray) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    valid = np.asarray(pc.is_valid(column), bool)
    return np.asarray(pc.fill_null(pc.cast(column, pa.float64()), 0.0), np.float64), valid


def _scaled(
    x: NDArray[np.float64],
    valid: NDArray[np.bool_],
    log: NDArray[np.bool_],
    mean: NDArray[np.float64],
    std: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Numbers of one scale or of one a column, null as 0."""
    x = np.log1p(np.maximum(x, 0.0), out=x.copy(), where=np.broadcast_to(log, x.shape))
    x = np.where(std > 0, (x - mean) / np.where(std > 0, std, 1.0), 0.0)
    return np.where(valid, np.clip(x, -_CLIP, _CLIP), 0.0).astype(np.float32)


def _values(column: Array) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    assert isinstance(column, Values)
    return column.data, column.valid


def _spread(array: NDArray[Any], rows: int) -> NDArray[Any]:
    return array if len(array) == rows else np.broadcast_to(array, (rows, *array.shape[1:]))


def _pad(flat: NDArray[np.int64], offsets: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Rows of `length`, zeros behind; where a list is longer, its last elements."""
    ends = offsets[1:]
    sizes = np.minimum(np.diff(offsets), length)
    at = np.arange(length)
    index = (ends - sizes)[:, None] + at
    inside = at < sizes[:, None]
    if not len(flat):
        return np.zeros((len(ends), length), np.int64)
    return np.where(inside, flat[np.minimum(index, len(flat) - 1)], NULL)
