"""Training two towers on positives, with sampled negatives and the correction for how they were sampled."""
# B = positives of a batch, S = sampled negatives, I = items, N = rows of lists, D = embedding width

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from sixfold.design.kinds import Kind
from sixfold.design.models import TwoTower
from sixfold.inference.inputs import Inputs
from sixfold.models.towers import TowerPair
from sixfold.training.encoders import Sources
from sixfold.training.lists import ListRows, lists_of
from sixfold.training.loop import Curve, Progress, device, fit
from sixfold.training.losses import list_loss
from sixfold.training.rows import Rows
from sixfold.training.sides import SideNames, fit_side, standardise_texts, write_towers

__all__ = ["TowerData", "TowerLists", "train_towers"]

_NEGATIVES, _POWER = 1024, 0.75


@dataclass(frozen=True)
class TowerData:
    """What towers are trained on, where the stream tells what was liked."""

    positives: pa.Table
    """A row a positive: the query's columns at its time, and `part`."""
    items: pa.Table
    """A row an item and period: the item's columns as of the period's start; periods one after the other."""
    item: NDArray[np.int64]
    """Each positive's item, its place among the items of a period."""
    period: NDArray[np.int64]
    """Each positive's period, from 0; -1 leaves it out."""
    n_items: int
    """I, the rows of one period in `items`."""

    @property
    def queries(self) -> pa.Table:
        """The rows of the query's side."""
        return self.positives

    def of(self, part: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The usable positives of a part, and the rows of their items."""
        own = np.asarray(self.positives["part"].to_pylist(), object) == part
        rows = np.flatnonzero(own & (self.period >= 0))
        return rows, (self.period * self.n_items + self.item)[rows]

    def learner(self, towers: TowerPair, query: Inputs, item: Inputs, seed: int) -> "Learner":
        """What they learn by."""
        return _ByPeriod(self, towers, query, item, seed)


@dataclass(frozen=True)
class TowerLists:
    """What towers are trained on, where examples come in lists (see `features.lists`)."""

    items: pa.Table
    """The rows of lists with the item's columns; those of a list together."""
    queries: pa.Table
    """A row a list: the query's columns, and `part`."""
    rows: ListRows

    @classmethod
    def of_examples(cls, examples: pa.Table, label: str) -> "TowerLists":
        """The lists of what a label is true of."""
        found = lists_of(examples)
        liked = found.own_B & (np.asarray(examples[f"label.{label}"].fill_null(0.0), np.float64) > 0)
        kept = np.flatnonzero(np.isin(found.number_B, found.number_B[liked]))
        items, rows = examples.take(kept), found.take(kept)
        return cls(items, items.filter(pa.array(rows.own_B)), rows)

    def of(self, part: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The lists of a part, and the rows of their items."""
        own = np.asarray(self.queries["part"].to_pylist(), object) == part
        return np.flatnonzero(own), np.flatnonzero(np.repeat(own, self.rows.sizes))

    def learner(self, towers: TowerPair, query: Inputs, item: Inputs, seed: int) -> "Learner":
        """What they learn by."""
        return _ByList(self, towers, query, item)


class Learner(Protocol):
    """A loss over some rows of the query's side, and how these are put together."""

    def loss(self, rows_B: Tensor) -> Tensor:
        """Of one batch."""

    def batches(self, rows: NDArray[np.int64], size: int, generator: torch.Generator | None) -> list[Tensor]:
        """The rows in batches, shuffled by the generator."""


def train_towers(
    model: TwoTower,
    data: TowerData | TowerLists,
    names: Mapping[str, SideNames],
    kinds: dict[str, Kind],
    folder: Path,
    *,
    key: str,
    sources: Sources | None = None,
    seed: int,
    progress: Callable[[Progress], None],
) -> Curve:
    """Sampled softmax, corrected for how negatives are sampled (Bengio & Senecal, 2008; Yi et al., RecSys 2019).

    Writes `query.onnx`, `item.onnx`, `model.json`.

    Args:
        names: What `query` and `item` read.
        key: The item's vocabulary, the entity's name.
        sources: Where the transformers that the design names lie.
    """
    torch.manual_seed(seed)
    (train, learned), (held, _) = data.of("train"), data.of("validation")
    folder.mkdir(parents=True, exist_ok=True)
    taught, sources = {"query": data.queries.take(train), "item": data.items.take(learned)}, sources or Sources()
    item = fit_side(model, taught["item"], names["item"], kinds, folder, sources)
    query = fit_side(model, taught["query"], names["query"], kinds, folder, sources, item.encoder.vocabularies)
    towers = TowerPair(query.encoder, item.encoder, model.size, key, model.hashed_text).to(device())
    for side, own in (("query", query), ("item", item)):
        standardise_texts(towers, side, own, taught[side])
    learner = data.learner(towers, query, item, seed)

    def validate() -> float:
        losses = [(float(learner.loss(b)), len(b)) for b in learner.batches(held, 4096, None)]
        return sum(value * n for value, n in losses) / max(1, sum(n for _, n in losses))

    curve = fit(
        model.name,
        towers,
        model.training,
        batches=lambda generator: learner.batches(train, model.training.batch_size, generator),
        loss=learner.loss,
        validate=validate,
        decay_embeddings=True,
        seed=seed,
        progress=progress,
    )
    few = {"query": data.queries.slice(0, 64), "item": data.items.slice(0, 64)}
    write_towers(towers, {"query": query, "item": item}, few, folder)
    return curve


class _ByPeriod:
    """Negatives are drawn in proportion to the items' counts to the power of .75, once a batch.

    A batch holds positives of one period, whose items' columns are those of its start.
    """

    def __init__(self, data: TowerData, towers: TowerPair, query: Inputs, item: Inputs, seed: int) -> None:
        self._data, self._towers = data, towers
        self._queries, self._items = Rows.repeating(query, data.positives), Rows.repeating(item, data.items)
        self._rows_at = torch.from_numpy(data.period * data.n_items + data.item).to(device())
        train, _ = data.of("train")
        self._sampler = _Sampler(np.bincount(data.item[train], minlength=data.n_items), seed)

    def loss(self, rows_B: Tensor) -> Tensor:
        negative_S, log_q_S = self._sampler.draw()
        start = int(self._data.period[int(rows_B[0])]) * self._data.n_items
        query_BD = self._towers.query(self._queries.take(rows_B))
        positive_BD = self._towers.item(self._items.take(self._rows_at[rows_B]))
        negative_SD = self._towers.item(self._items.take(negative_S + start))
        score_B1 = (query_BD * positive_BD).sum(1, keepdim=True)
        score_BS = query_BD @ negative_SD.T - log_q_S
        same_BS = (self._rows_at[rows_B][:, None] - start) == negative_S
        score_BS = score_BS.masked_fill(same_BS, -1e9)
        target_B = torch.zeros(len(rows_B), dtype=torch.long, device=rows_B.device)
        return torch.nn.functional.cross_entropy(torch.cat([score_B1, score_BS], 1), target_B)

    def batches(self, rows: NDArray[np.int64], size: int, generator: torch.Generator | None) -> list[Tensor]:
        return _by_period(rows, self._data.period, size, generator)


class _ByList:
    """What was chosen against the other items of its list."""

    def __init__(self, data: TowerLists, towers: TowerPair, query: Inputs, item: Inputs) -> None:
        self._towers = towers
        self._queries, self._items = Rows.repeating(query, data.queries), Rows.repeating(item, data.items)
        self._own, self._sizes = torch.from_numpy(data.rows.own_B).to(device()), data.rows.sizes
        self._starts = np.cumsum(self._sizes) - self._sizes
        drawn = np.where(data.rows.own_B, 0.0, data.rows.lift_B).astype(np.float32)
        self._drawn = torch.from_numpy(drawn).to(device())

    def loss(self, rows_B: Tensor) -> Tensor:
        lists = rows_B.cpu().numpy()
        size = self._sizes[lists]
        which = np.repeat(np.arange(len(lists)), size)
        places = np.arange(len(which)) - np.repeat(np.cumsum(size) - size, size) + self._starts[lists][which]
        which_N, rows_N = (torch.from_numpy(one).to(device()) for one in (which, places))
        query_BD = self._towers.query(self._queries.take(rows_B))
        item_ND = self._towers.item(self._items.take(rows_N))
        score_N = (query_BD[which_N] * item_ND).sum(1)
        return list_loss(score_N, self._own[rows_N].float(), which_N, self._drawn[rows_N])

    def batches(self, rows: NDArray[np.int64], size: int, generator: torch.Generator | None) -> list[Tensor]:
        """Lists in batches of about `size` rows."""
        if generator is not None:
            rows = rows[torch.randperm(len(rows), generator=generator).numpy()]
        batch = np.cumsum(self._sizes[rows]) // size
        cuts = np.flatnonzero(np.diff(batch)) + 1
        return [torch.from_numpy(own).to(device()) for own in np.split(rows, cuts) if len(own)]


class _Sampler:
    """Items drawn with replacement, with the logarithm of how often each is expected in a draw."""

    def __init__(self, counts_I: NDArray[Any], seed: int) -> None:
        weight_I = counts_I.astype(np.float64) ** _POWER + 1.0
        self._weight = torch.from_numpy(weight_I / weight_I.sum()).to(device())
        self._generator = torch.Generator(device=device()).manual_seed(seed)

    def draw(self) -> tuple[Tensor, Tensor]:
        negative_S = torch.multinomial(self._weight, _NEGATIVES, replacement=True, generator=self._generator)
        return negative_S, torch.log(self._weight[negative_S] * _NEGATIVES).float()


def _by_period(
    rows: NDArray[np.int64], period: NDArray[np.int64], size: int, generator: torch.Generator | None
) -> list[Tensor]:
    """Batches of one period each, shuffled within and among periods by the generator."""
    if generator is not None:
        rows = rows[torch.randperm(len(rows), generator=generator).numpy()]
    batches: list[Tensor] = []
    for one in np.unique(period[rows]):
        batches += torch.split(torch.from_numpy(rows[period[rows] == one]).to(device()), size)
    if generator is None:
        return batches
    return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]
