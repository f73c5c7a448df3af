"""Training a multi-task network and exporting it."""
# B = rows

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn
from torch.nn import functional

from sixfold.design.kinds import Kind
from sixfold.design.models import Binary, Body, Head, Network, Regression, WatchTime
from sixfold.inference.encoding import fit as fit_encoder
from sixfold.inference.models import Card, write_card
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
    seed: int,
    progress: Callable[[Progress], None],
) -> Curve:
    """Fit the encoding and the network on the training part, stop on validation, write `model.onnx` and `model.json`.

    Args:
        examples: Columns `names`, `label.NAME` (null takes no part in its head's loss), `part`.
        folder: Where the exported model goes.
    """
    torch.manual_seed(seed)
    part = np.asarray(examples["part"].to_pylist(), object)
    train, held = np.flatnonzero(part == "train"), np.flatnonzero(part == "validation")
    durations = [str(head.duration) for head in model.heads if isinstance(head, WatchTime)]
    encoder = fit_encoder(examples.take(train), kinds, names, raw=durations, min_count=model.min_count)
    arrays = tensors(encoder.encode_table(examples))
    targets = _targets(model.heads, examples)
    bodies: Sequence[Body] = model.body if isinstance(model.body, Sequence) else [model.body]
    network = MultiTaskNetwork(encoder, bodies, model.heads, model.size).to(device())
    _start_at_means(network, model.heads, [target[torch.from_numpy(train)] for target in targets])
    train_rows, held_rows = torch.from_numpy(train).to(device()), torch.from_numpy(held).to(device())

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
    folder.mkdir(parents=True, exist_ok=True)
    heads = tuple(head.label.name for head in model.heads)
    sample = encoder.encode_table(examples.slice(0, 64))
    export(_Served(network, model.heads), sample, heads, folder / "model.onnx")
    write_card(folder, Card("network", heads, {"inputs": encoder}))
    return curve


class _Served(nn.Module):
    """The network with each head's output in the label's own unit: a probability, a number, seconds."""

    def __init__(self, network: MultiTaskNetwork, heads: Sequence[Head]) -> None:
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


def _start_at_means(network: MultiTaskNetwork, heads: Sequence[Head], targets: Sequence[Tensor]) -> None:
    """A head of numbers starts at their mean; else its first batches are spent on getting there."""
    for head, output, target in zip(heads, network.heads, targets):
        if not isinstance(head, Binary):
            nn.init.constant_(output[-1].bias, float(torch.nanmean(target)))  # type: ignore[index]


def _targets(heads: Sequence[Head], examples: pa.Table) -> list[Tensor]:
    """Each head's label in the scale of its loss; NaN where it is null."""
    made = []
    for head in heads:
        y = np.asarray(examples[f"label.{head.label.name}"].to_numpy(zero_copy_only=False), np.float64)
        y = np.log1p(np.maximum(y, 0.0)) if isinstance(head, WatchTime) else y
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
