"""Training a multi-task network and exporting it."""
# B = rows

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn

from sixfold.design.heads import AnyOf, Binary, Head, OneOf, Order, Regression, WatchTime
from sixfold.design.kinds import Kind
from sixfold.design.models import Network
from sixfold.features.lists import LIST
from sixfold.inference.encoding import fit as fit_encoder
from sixfold.inference.inputs import Inputs
from sixfold.inference.leaves import LEAVES, LeafCodes, leaf_folder
from sixfold.inference.models import Card, load_leaves, write_card
from sixfold.inference.vectors import Vectors
from sixfold.training.encoders import Sources, exported_fields, text_coders
from sixfold.training.export import export, export_words
from sixfold.training.learner import (
    AnyNetwork,
    Learner,
    disguised,
    draw_negatives,
    label_columns,
    make_network,
    standardise,
)
from sixfold.training.lists import lists_of
from sixfold.training.loop import Curve, Progress, device, fit
from sixfold.training.losses import class_weights
from sixfold.training.rows import encoded, sample_of

__all__ = ["train_network", "weights_of"]

_RARE = 1e-4


def train_network(
    model: Network,
    examples: pa.Table,
    names: Sequence[str],
    kinds: dict[str, Kind],
    folder: Path,
    *,
    hashed: Mapping[str, int] | None = None,
    trees: Mapping[str, Path] | None = None,
    outputs: Mapping[str, Sequence[str]] | None = None,
    places: Sequence[tuple[str, str]] = (),
    sources: Sources | None = None,
    seed: int,
    progress: Callable[[Progress], None],
) -> Curve:
    """Fit the encoding and the network on the training part, stop on validation, write `model.onnx` and `model.json`.

    Args:
        examples: Columns `names`, `label.NAME` (null takes no part in its head's loss), `part`.
        folder: Where the exported model goes.
        hashed: Which of `names` a hash puts into how many buckets.
        trees: The folders of the exported models whose leaves it reads, by name; they are copied beside it.
        outputs: Names of the scores of each label with classes; the columns are `label.NAME` of those.
        places: Names of the latitude and the longitude of each place that it reads.
        sources: Where the transformers and the image encoder that the design names lie.

    Raises:
        EncoderUnusable: one of those cannot be run.
    """
    torch.manual_seed(seed)
    part = np.asarray(examples["part"].to_pylist(), object)
    train, held = np.flatnonzero(part == "train"), np.flatnonzero(part == "validation")
    folder.mkdir(parents=True, exist_ok=True)
    sources, words = sources or Sources(), model.hashed_text
    inputs = _fit_inputs(model, examples.take(train), names, kinds, folder, hashed, trees or {}, places, sources)
    targets = draw_negatives(model.heads, label_columns(model.heads, examples, outputs), seed)
    sizes = [target.shape[1] if target.ndim == 2 else 1 for target in targets]
    network = make_network(model, inputs.encoder, sizes=sizes, sources=sources).to(device())
    learned = [target[torch.from_numpy(train)] for target in targets]
    rows_of_lists = lists_of(examples) if LIST in examples.column_names else None
    lift = 0.0 if rows_of_lists is None else float(rows_of_lists.lift_B[train].mean())
    _start_at_means(network, model.heads, learned, lift)
    weights = class_weights(model.heads, learned)
    arrays = encoded(inputs, examples)
    standardise(network, arrays, train)
    learner = Learner(model, network, arrays, targets, weights, rows_of_lists)
    train_rows, held_rows = (learner.labelled(rows) for rows in (train, held))

    def batches(generator: torch.Generator) -> Sequence[Tensor]:
        if words and words.augment:
            drawn = int(torch.randint(2**31, (1,), generator=generator))
            learner.read_anew(disguised(inputs, examples, train, words.augment, drawn))
        return learner.batches(train_rows, model.training.batch_size, generator)

    curve = fit(
        model.name,
        network,
        model.training,
        batches=batches,
        loss=learner.loss,
        validate=lambda: learner.mean_loss(held_rows),
        decay_embeddings=False,
        seed=seed,
        progress=progress,
    )
    torch.save(network.state_dict(), weights_of(folder))
    _write(network, model.heads, inputs, examples.slice(0, 64), outputs or {}, folder)
    return curve


def _fit_inputs(
    model: Network,
    learned: pa.Table,
    names: Sequence[str],
    kinds: dict[str, Kind],
    folder: Path,
    hashed: Mapping[str, int] | None,
    trees: Mapping[str, Path],
    places: Sequence[tuple[str, str]],
    sources: Sources,
) -> Inputs:
    """What the network reads of rows, as the training part has it; the models and encoders that it needs, in folder."""
    leaves = _leaves(trees, folder)
    vectors = exported_fields(model, names, kinds, folder, sources)
    encoder = fit_encoder(
        learned,
        kinds,
        names,
        raw=[str(head.duration) for head in model.heads if isinstance(head, WatchTime)],
        min_count=model.min_count,
        hashed=hashed,
        leaves={name: (own.trees, own.codes) for name, own in leaves.items()},
        text=text_coders(model),
        vectors=vectors,
        places=places,
    )
    return Inputs(encoder, leaves, Vectors(folder, vectors, threads=os.cpu_count() or 1, kept=sources.kept))


def _write(
    network: AnyNetwork,
    heads: Sequence[Head],
    inputs: Inputs,
    few: pa.Table,
    outputs: Mapping[str, Sequence[str]],
    folder: Path,
) -> None:
    """Write the trained network and its card; a few rows show the export what arrays look like."""
    scores = tuple(name for head in heads for name in outputs.get(head.label.name, [head.label.name]))
    exclusive = tuple(tuple(outputs[head.label.name]) for head in heads if isinstance(head, OneOf))
    sample = export_words(network.word_tables(), sample_of(inputs, few), folder, "model")
    export(_Served(network, heads), sample, scores, folder / "model.onnx")
    leaves = tuple(name.removesuffix(LEAVES) for name in inputs.leaves)
    write_card(folder, Card("network", scores, {"inputs": inputs.encoder}, leaves=leaves, exclusive=exclusive))


def _leaves(trees: Mapping[str, Path], folder: Path) -> dict[str, LeafCodes]:
    """The leaves of each model, by the name of the input; the models are copied to where the network is."""
    found = {}
    for name, source in trees.items():
        shutil.rmtree(own := leaf_folder(folder, name), ignore_errors=True)
        shutil.copytree(source, own)
        found[name + LEAVES] = load_leaves(own, threads=2)
    return found


def weights_of(folder: Path) -> Path:
    """Where the weights of an exported network are kept, for whoever learns on from them."""
    return folder.with_name(f"{folder.name}.weights")


class _Served(nn.Module):
    """The network with each head's output in the label's own unit: a probability, a number, seconds."""

    def __init__(self, network: AnyNetwork, heads: Sequence[Head]) -> None:
        super().__init__()
        self.network, self.heads = network, heads

    def forward(self, arrays: dict[str, Tensor]) -> tuple[Tensor, ...]:
        found: list[Tensor] = []
        for head, out in zip(self.heads, self.network(arrays)):
            in_unit = _in_unit(head, out, arrays)
            found += [in_unit[:, at] for at in range(in_unit.shape[1])] if in_unit.ndim == 2 else [in_unit]
        return tuple(found)


def _in_unit(head: Head, out_B: Tensor, arrays: dict[str, Tensor]) -> Tensor:
    if isinstance(head, OneOf):
        return torch.softmax(out_B, 1)
    if isinstance(head, Binary | AnyOf):
        return torch.sigmoid(out_B)
    if isinstance(head, Regression | Order):
        return out_B
    seconds_B = torch.expm1(out_B.clamp(0.0, 20.0))
    duration_B = arrays[f"raw:{head.duration}"]
    return torch.where(duration_B > 0, torch.minimum(seconds_B, duration_B), seconds_B)


def _start_at_means(network: AnyNetwork, heads: Sequence[Head], targets: Sequence[Tensor], lift: float) -> None:
    """A head starts at its label's mean, less what lists lift it; else the first batches are spent on getting there."""
    for at, (head, target) in enumerate(zip(heads, targets)):
        if isinstance(head, Order):
            continue
        mean = torch.nanmean(target, 0)
        if isinstance(head, OneOf):
            mean = torch.log(mean.clamp(min=_RARE))
        elif isinstance(head, Binary | AnyOf):
            mean = torch.logit(mean.clamp(_RARE, 1 - _RARE)) - lift
        if bool(torch.isfinite(mean).all()):
            network.start_at(at, mean)
