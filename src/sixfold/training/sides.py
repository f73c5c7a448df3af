"""What two towers read of their sides, and how they are written."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import torch

from sixfold.design.kinds import Kind
from sixfold.design.models import TwoTower
from sixfold.inference.encoding import fit as fit_encoder
from sixfold.inference.inputs import Inputs
from sixfold.inference.models import Card, write_card
from sixfold.inference.vectors import Vectors
from sixfold.inference.vocabularies import Vocabulary
from sixfold.models.towers import TowerPair
from sixfold.models.vectors import VectorInput
from sixfold.training.encoders import Sources, exported_fields, text_coders
from sixfold.training.export import export, export_words
from sixfold.training.loop import device
from sixfold.training.rows import sample_of

__all__ = ["SideNames", "fit_side", "standardise_texts", "write_towers"]


@dataclass(frozen=True)
class SideNames:
    """Canonical names of what one side reads."""

    columns: Sequence[str]
    places: Sequence[tuple[str, str]] = ()
    """Of the latitude and the longitude of each place."""


def fit_side(
    model: TwoTower,
    learned: pa.Table,
    names: SideNames,
    kinds: Mapping[str, Kind],
    folder: Path,
    sources: Sources,
    vocabularies: Mapping[str, Vocabulary] | None = None,
) -> Inputs:
    """The inputs of one side as the training part has them; the encoders that it needs, in the model's folder.

    Args:
        vocabularies: Those of the other side, which it shares.
    """
    vectors = exported_fields(model, names.columns, kinds, folder, sources)
    encoder = fit_encoder(
        learned,
        kinds,
        names.columns,
        vocabularies=vocabularies,
        text=text_coders(model),
        vectors=vectors,
        places=names.places,
    )
    return Inputs(encoder, vectors=Vectors(folder, vectors, threads=os.cpu_count() or 1, kept=sources.kept))


def standardise_texts(towers: TowerPair, side: str, inputs: Inputs, learned: pa.Table) -> None:
    """Let the vectors that transformers make of a side's texts be standardised as those of these rows, each once."""
    texts = {name: learned[name].unique().drop_null().to_pylist() for name in inputs.vectors.names}
    arrays = inputs.vectors.of(texts)
    for read in getattr(towers, side).vectors:
        assert isinstance(read, VectorInput)
        read.standardise(torch.from_numpy(arrays[read.name]).to(device()))


def write_towers(towers: TowerPair, inputs: Mapping[str, Inputs], few: Mapping[str, pa.Table], folder: Path) -> None:
    """Write `query.onnx`, `item.onnx`, their vectors of words and `model.json`.

    Args:
        few: Some rows of each side, which show the export what arrays look like.
    """
    towers.cpu()
    for side, tower in (("query", towers.query), ("item", towers.item)):
        sample = export_words(tower.word_tables(), sample_of(inputs[side], few[side]), folder, side)
        export(tower, sample, ["vector"], folder / f"{side}.onnx")
    write_card(folder, Card("two_tower", (), {side: own.encoder for side, own in inputs.items()}))
