"""The encoders of a network's texts and images: exported or copied beside it, and said in its card."""
# B = values, D = width of a vector

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sixfold.design.images import OnnxImage
from sixfold.design.kinds import Kind
from sixfold.design.models import Network, TextModel
from sixfold.design.texts import Transformer
from sixfold.errors import EncoderUnusable, ExportDiffers, ReleaseDamaged
from sixfold.inference.preparing import Pixels, Tokens, preparing
from sixfold.inference.sessions import session
from sixfold.inference.text import TextCoder
from sixfold.inference.vectors import TOKENS, VECTOR, VectorField, vectors_of
from sixfold.models.transformer import SentenceEncoder
from sixfold.models.vectors import TunedText
from sixfold.training.export import export

__all__ = ["Sources", "exported_fields", "text_coders", "tuned_of"]

_SAMPLE = ("a", "a longer text, of more words than one")


@dataclass(frozen=True)
class Sources:
    """Where what the design names lies."""

    paths: Mapping[Transformer | OnnxImage, Path] = field(default_factory=dict)
    """The folder of a transformer, the file of an image encoder."""
    kept: Path | None = None
    """Where exported transformers, and vectors, are kept for the run's other models and for the next run."""


def exported_fields(
    model: TextModel, names: Sequence[str], kinds: Mapping[str, Kind], folder: Path, sources: Sources
) -> tuple[VectorField, ...]:
    """Put what the model's encoders need to run into its folder, and say how each column is read.

    Raises:
        EncoderUnusable: a folder or a file is not what it should be.
    """
    texts = [name for name in names if kinds[name].prose]
    images = [name for name in names if kinds[name].image]
    found: list[VectorField] = []
    for at, one in enumerate(model.transformers if texts else ()):
        own = _text_field(one, sources.paths[one], folder, f"text-{at}", sources.kept)
        kind = TOKENS if one.tune else VECTOR
        found += [_of(own, name, f"{name}{kind}{at}") for name in texts]
    if images and isinstance(model, Network) and model.image is not None:
        picture = _image_field(model.image, sources.paths[model.image], folder)
        found += [_of(picture, name, f"{name}{VECTOR}0") for name in images]
    return tuple(found)


def text_coders(model: TextModel) -> Callable[[str], TextCoder] | None:
    """What gives the coder of a column of texts, where the model reads hashed words."""
    if (words := model.hashed_text) is None:
        return None
    return lambda name: TextCoder(name, words.buckets, words.longest, words.normalise)


def tuned_of(model: Network, fields: Sequence[VectorField], sources: Sources) -> dict[str, tuple[Transformer, Path]]:
    """By the field's array the transformer that learns with the network, and its folder."""
    own = {at: one for at, one in enumerate(model.transformers) if one.tune}
    return {
        field.array: (one, sources.paths[one])
        for at, one in own.items()
        for field in fields
        if field.array.endswith(f"{TOKENS}{at}")
    }


def _of(one: VectorField, name: str, array: str) -> VectorField:
    return VectorField(name, array, one.source, one.prepare, one.width, one.file)


def _text_field(design: Transformer, source: Path, folder: Path, stem: str, kept: Path | None) -> VectorField:
    tokens = Tokens(f"{stem}.tokenizer.json", design.longest, design.normalise)
    shutil.copy(source / "tokenizer.json", folder / tokens.file)
    try:
        prepare = preparing(folder, tokens)
    except ReleaseDamaged as error:
        raise EncoderUnusable(
            where=design.at, part="Transformer", source=design.source, reason=f"tokenizer.json: {error.reason}"
        ) from error
    if design.tune:
        return VectorField("", "", design.source, tokens, SentenceEncoder(design, source).width)
    key = hashlib.sha256(repr((design.longest, *(_digest(p) for p in sorted(source.rglob("*.json"))))).encode())
    key.update(_digest(source / "model.safetensors").encode())
    made = folder / f"{stem}.onnx"
    before = None if kept is None else kept / f"{key.hexdigest()[:16]}.onnx"
    if before is not None and before.is_file():
        shutil.copy(before, made)
    else:
        _export(design, source, prepare.stack(prepare.prepare(_SAMPLE)), made)
        if before is not None:
            before.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(made, beside := before.with_suffix(".part"))
            beside.rename(before)
    width = _width(design, "Transformer", made, prepare.stack(prepare.prepare(_SAMPLE)))
    return VectorField("", "", design.source, tokens, width, made.name)


def _export(design: Transformer, source: Path, tokens_BL: NDArray[Any], made: Path) -> None:
    sample = {f"text{TOKENS}": tokens_BL}
    read = VectorField("", f"text{TOKENS}", design.source, Tokens("", design.longest, design.normalise), 0)
    try:
        export(TunedText(read, SentenceEncoder(design, source)), sample, ["vector"], made)
    except (torch.onnx.OnnxExporterError, ExportDiffers) as error:
        reason = f"it cannot be exported ({str(error).splitlines()[0]})"
        raise EncoderUnusable(where=design.at, part="Transformer", source=design.source, reason=reason) from error


def _image_field(design: OnnxImage, source: Path, folder: Path) -> VectorField:
    height, width = design.shape
    mean, std = ((float(a), float(b), float(c)) for a, b, c in (design.mean, design.std))
    pixels = Pixels(height, width, mean, std, design.channels)
    shutil.copy(source, made := folder / "image.onnx")
    shape = (2, 3, height, width) if design.channels == "first" else (2, height, width, 3)
    wide = _width(design, "OnnxImage", made, np.zeros(shape, np.float32))
    return VectorField("", "", design.source, pixels, wide, made.name)


def _width(design: Transformer | OnnxImage, part: str, made: Path, batch: NDArray[Any]) -> int:
    """D of an encoder, seen by what it makes of a batch of two."""
    try:
        found = vectors_of(opened := session(made, 1), batch)
        # ONNX Runtime's own errors share no narrower class.
    except Exception as error:
        raise EncoderUnusable(
            where=design.at, part=part, source=design.source, reason=str(error).splitlines()[0]
        ) from error
    inputs = len(opened.get_inputs())
    if inputs != 1 or found.ndim != 2 or len(found) != 2 or not np.isfinite(found).all():
        reason = (
            f"it has {inputs} inputs and makes an array of shape {found.shape} of a batch of shape {batch.shape}; "
            "one input and one finite vector for each row are read"
        )
        raise EncoderUnusable(where=design.at, part=part, source=design.source, reason=reason)
    return int(found.shape[1])


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
