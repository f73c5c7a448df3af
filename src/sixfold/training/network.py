"""Training a multi-task network and exporting it."""
# B = rows

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from sixfold.design.bodies import Body, DeepFm, Fm, Linear
from sixfold.design.heads import Binary, Head, Regression, WatchTime
from sixfold.design.kinds import Kind
from sixfold.design.models import Network
from sixfold.inference.encoding import Encoder
from sixfold.inference.encoding import fit as fit_encoder
from sixfold.inference.leaves import LeafCodes, leaf_folder
from sixfold.inference.models import Card, load_leaves, write_card
from sixfold.models.factorization import WholeNetwork
from sixfold.models.network import MultiTaskNetwork
from sixfold.training.export import export
from sixfold.training.loop import Curve, Progress, device, fit, tensors

__all__ = ["train_network"]


def train_network(
    model: Network,
    examples: pa.Table,
    names: Sequence[str],
    kinds: dict[str, Kind],
    folder: Path,
    *,
    hashed: Mapping[str, int] | None = None,
    trees: Mapping[str, Path] | None = None,
    seed: int,
    progress: Callable[[Progress], None],
) -> Curve:
    """Fit the encoding and the network on the training part, stop on validation, write `model.onnx` and `model.json`.

    Args:
        examples: Columns `names`, `label.NAME` (null takes no part in its head's loss), `part`.
        folder: Where the exported model goes.
        hashed: Which of `names` a hash puts into how many buckets.
        trees: The folders of the exported models whose leaves it reads, by name; they are copied beside it.
    """
    torch.manual_seed(seed)
    part = np.asarray(examples["part"].to_pylist(), object)
    train, held = np.flatnonzero(part == "train"), np.flatnonzero(part == "validation")
    folder.mkdir(parents=True, exist_ok=True)
    leaves = _leaves(trees or {}, folder)
    durations = [str(head.duration) for head in model.heads if isinstance(head, WatchTime)]
    encoder = fit_encoder(
        examples.take(train),
        kinds,
        names,
        raw=durations,
        min_count=model.min_count,
        hashed=hashed,
        leaves={name: (own.trees, own.codes) for name, own in leaves.items()},
    )
    arrays = tensors(_encoded(encoder, leaves, examples))
    targets = _targets(model.heads, examples, seed)
    network = _network(model, encoder).to(device())
    _start_at_means(network, model.heads, [target[torch.from_numpy(train)] for target in targets])
    known = torch.stack([~torch.isnan(target) for target in targets]).any(0).cpu().numpy()
    train_rows, held_rows = (torch.from_numpy(rows[known[rows]]).to(device()) for rows in (train, held))

    def batches(generator: torch.Generator) -> Sequence[Tensor]:
        order = torch.randperm(len(train_rows), generator=generator).to(device())
        return torch.split(train_rows[order], model.training.batch_size)

    def loss(rows_B: Tensor) -> Tensor:
        outputs = network({name: array[rows_B] for name, array in arrays.items()})
        return torch.stack([_loss(h, o, t[rows_B]) for h, o, t in zip(model.heads, outputs, targets)]).sum()

    def validate() -> float:
        sums = [(float(loss(rows)), len(rows)) for rows in torch.split(held_rows, 8192)]
        return sum(value * n for value, n in sums) / max(1, sum(n for _, n in sums))

    curve = fit(
        model.name,
        network,
        model.training,
        batches=batches,
        loss=loss,
        validate=validate,
        decay_embeddings=False,
        seed=seed,
        progress=progress,
    )
    heads = tuple(head.label.name for head in model.heads)
    sample = _encoded(encoder, leaves, examples.slice(0, 64))
    export(_Served(network, model.heads), sample, heads, folder / "model.onnx")
    write_card(folder, Card("network", heads, {"inputs": encoder}, leaves=tuple(trees or {})))
    return curve


def _network(model: Network, encoder: Encoder) -> MultiTaskNetwork | WholeNetwork:
    if isinstance(model.body, Linear | Fm | DeepFm):
        return WholeNetwork(encoder, model.body, len(model.heads), model.size)
    bodies: Sequence[Body] = model.body if isinstance(model.body, Sequence) else [model.body]
    return MultiTaskNetwork(encoder, bodies, model.heads, model.size)


def _leaves(trees: Mapping[str, Path], folder: Path) -> dict[str, LeafCodes]:
    """The leaves of each model, by the name of the input; the models are copied to where the network is."""
    found = {}
    for name, source in trees.items():
        shutil.rmtree(own := leaf_folder(folder, name), ignore_errors=True)
        shutil.copytree(source, own)
        found[f"{name}.leaves"] = load_leaves(own, threads=2)
    return found


def _encoded(encoder: Encoder, leaves: Mapping[str, LeafCodes], table: pa.Table) -> dict[str, NDArray[Any]]:
    return {**encoder.encode_table(table), **{name: own.of_table(table) for name, own in leaves.items()}}


class _Served(nn.Module):
    """The network with each head's output in the label's own unit: a probability, a number, seconds."""

    def __init__(self, network: MultiTaskNetwork | WholeNetwork, heads: Sequence[Head]) -> None:
        super().__init__()
        self.network, self.heads = network, heads

    def forward(self, arrays: dict[str, Tensor]) -> tuple[Tensor, ...]:
        outputs = self.network(arrays)
        return tuple(_in_unit(head, out, arrays) for head, out in zip(self.heads, outputs))


def _in_unit(head: Head, out_B: Tensor, arrays: dict[str, Tensor]) -> Tensor:
    if isinstance(head, Binary):
        return torch.sigmoid(out_B)
    if isinstance(head, Regression):
        return out_B
    seconds_B = torch.expm1(out_B.clamp(0.0, 20.0))
    duration_B = arrays[f"raw:{head.duration}"]
    return torch.where(duration_B > 0, torch.minimum(seconds_B, duration_B), seconds_B)


def _start_at_means(network: MultiTaskNetwork | WholeNetwork, heads: Sequence[Head], targets: Sequence[Tensor]) -> None:
    """A head starts at its label's mean; else the first batches are spent on getting there."""
    for at, (head, target) in enumerate(zip(heads, targets)):
        mean = float(torch.nanmean(target))
        if not isinstance(head, Binary):
            network.start_at(at, mean)
        elif 0 < mean < 1:
            network.start_at(at, math.log(mean / (1 - mean)))


def _targets(heads: Sequence[Head], examples: pa.Table, seed: int) -> list[Tensor]:
    """Each head's label in the scale of its loss; NaN where it is null, or a negative that is not drawn."""
    made = []
    draws = np.random.default_rng(seed)
    for head in heads:
        y = np.asarray(examples[f"label.{head.label.name}"].to_numpy(zero_copy_only=False), np.float64)
        y = np.log1p(np.maximum(y, 0.0)) if isinstance(head, WatchTime) else y
        if isinstance(head, Binary) and head.negatives < 1:
            y = np.where((y == 0) & (draws.random(len(y)) >= head.negatives), np.nan, y)
        made.append(torch.from_numpy(y.astype(np.float32)).to(device()))
    return made


def _loss(head: Head, out_B: Tensor, target_B: Tensor) -> Tensor:
    known_B = ~torch.isnan(target_B)
    if not bool(known_B.any()):
        return out_B.sum() * 0.0
    out, target = out_B[known_B], target_B[known_B]
    if isinstance(head, Binary):
        return functional.binary_cross_entropy_with_logits(out, target)
    # The median: of watch times on a logarithmic scale, it orders better than their mean.
    return functional.l1_loss(out, target)
