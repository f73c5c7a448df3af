"""Training two towers on positives, with sampled negatives and the correction for how they were sampled."""
# B = positives of a batch, S = sampled negatives, I = items, D = embedding width

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from sixfold.design.kinds import Kind
from sixfold.design.models import TwoTower
from sixfold.models.towers import TowerPair
from sixfold.training.encoders import Sources
from sixfold.training.loop import Curve, Progress, device, fit
from sixfold.training.rows import Rows
from sixfold.training.sides import SideNames, fit_side, standardise_texts, write_towers

__all__ = ["TowerData", "train_towers"]

_NEGATIVES, _POWER = 1024, 0.75


@dataclass(frozen=True)
class TowerData:
    """What towers are trained on."""

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


def train_towers(
    model: TwoTower,
    data: TowerData,
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

    Negatives are drawn in proportion to the items' counts to the power of .75, once a batch; a batch holds positives
    of one period, whose items' columns are those of its start. Writes `query.onnx`, `item.onnx`, `model.json`.

    Args:
        names: What `query` and `item` read.
        key: The item's vocabulary, the entity's name.
        sources: Where the transformers that the design names lie.
    """
    torch.manual_seed(seed)
    part = np.asarray(data.positives["part"].to_pylist(), object)
    usable = data.period >= 0
    train, held = np.flatnonzero((part == "train") & usable), np.flatnonzero((part == "validation") & usable)
    rows = data.period * data.n_items + data.item
    folder.mkdir(parents=True, exist_ok=True)
    learned = {"query": data.positives.take(train), "item": data.items.take(rows[train])}
    sources = sources or Sources()
    item = fit_side(model, learned["item"], names["item"], kinds, folder, sources)
    query = fit_side(model, learned["query"], names["query"], kinds, folder, sources, item.encoder.vocabularies)
    towers = TowerPair(query.encoder, item.encoder, model.size, key, model.hashed_text).to(device())
    for side, own in (("query", query), ("item", item)):
        standardise_texts(towers, side, own, learned[side])
    queries, items = Rows.repeating(query, data.positives), Rows.repeating(item, data.items)
    rows_at = torch.from_numpy(rows).to(device())
    sampler = _Sampler(np.bincount(data.item[train], minlength=data.n_items), seed)

    def loss(rows_B: Tensor) -> Tensor:
        negative_S, log_q_S = sampler.draw()
        start = int(data.period[int(rows_B[0])]) * data.n_items
        query_BD = towers.query(queries.take(rows_B))
        positive_BD = towers.item(items.take(rows_at[rows_B]))
        negative_SD = towers.item(items.take(negative_S + start))
        score_B1 = (query_BD * positive_BD).sum(1, keepdim=True)
        score_BS = query_BD @ negative_SD.T - log_q_S
        same_BS = (rows_at[rows_B][:, None] - start) == negative_S
        score_BS = score_BS.masked_fill(same_BS, -1e9)
        target_B = torch.zeros(len(rows_B), dtype=torch.long, device=rows_B.device)
        return torch.nn.functional.cross_entropy(torch.cat([score_B1, score_BS], 1), target_B)

    def validate() -> float:
        losses = [(float(loss(b)), len(b)) for b in _by_period(held, data.period, 4096, None)]
        return sum(value * n for value, n in losses) / max(1, sum(n for _, n in losses))

    curve = fit(
        model.name,
        towers,
        model.training,
        batches=lambda generator: _by_period(train, data.period, model.training.batch_size, generator),
        loss=loss,
        validate=validate,
        decay_embeddings=True,
        seed=seed,
        progress=progress,
    )
    few = {"query": data.positives.slice(0, 64), "item": data.items.slice(0, 64)}
    write_towers(towers, {"query": query, "item": item}, few, folder)
    return curve


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
