"""Where the transformers and image encoders that a design names lie; found before anything is read or trained."""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

from sixfold.data.images import can_read
from sixfold.design.images import OnnxImage
from sixfold.design.models import Network, TextModel
from sixfold.design.schema import Stream, TableSchema
from sixfold.design.system import System
from sixfold.design.texts import Transformer
from sixfold.errors import EncoderMissing, LibraryMissing

__all__ = ["encoder_marks", "find_encoders"]

_FILES = ("config.json", "tokenizer.json", "model.safetensors")


def find_encoders(system: System, design: Path) -> dict[Transformer | OnnxImage, Path]:
    """The folder of each transformer and the file of each image encoder.

    Args:
        design: The design file, beside which relative paths begin.

    Raises:
        EncoderMissing: one is not there.
        LibraryMissing: what it needs to run is not installed.
    """
    found: dict[Transformer | OnnxImage, Path] = {}
    for model in system.models.values():
        if isinstance(model, TextModel):
            for one in model.transformers:
                for library in ("tokenizers", "transformers"):
                    if find_spec(library) is None:
                        raise LibraryMissing(where=one.at, part="Transformer", library=library, extra="text")
                found[one] = _folder(one, design.parent)
        if isinstance(model, Network) and model.image is not None:
            found[model.image] = _file(model.image, design.parent)
    groups: list[Stream | TableSchema] = [*system.streams.values(), *system.tables.values()]
    pictured = [group for group in groups if any(one.kind.image for one in group.fields)]
    if pictured and not can_read():
        raise LibraryMissing(where=pictured[0].at, part=f"Image of {pictured[0].name}", library="pillow", extra="image")
    return found


def encoder_marks(model: TextModel, paths: dict[Transformer | OnnxImage, Path]) -> list[tuple[str, int, int]]:
    """What changes when a file of the model's encoders does."""
    image = model.image if isinstance(model, Network) else None
    own = [*model.transformers, *([image] if image is not None else [])]
    folders = [paths[one] for one in own if isinstance(one, Transformer)]
    # How a folder pools stands in folders of its own.
    files = [path for folder in folders for path in (*sorted(folder.rglob("*.json")), folder / _FILES[2])]
    files += [paths[one] for one in own if isinstance(one, OnnxImage)]
    return [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]


def _folder(one: Transformer, beside: Path) -> Path:
    folder = beside / one.source
    if folder.is_dir():
        if lacks := [name for name in _FILES if not (folder / name).is_file()]:
            raise _missing(one, f"{folder} lacks {', '.join(lacks)}")
        return folder
    try:
        carried = next(_carried(one.source), None)
    except (PackageNotFoundError, ValueError):
        reason = f"neither {folder} is a folder nor a package of that name is installed"
        raise _missing(one, f"{reason}. Put a folder with {', '.join(_FILES)} there.") from None
    if carried is None:
        raise _missing(one, f"{folder} is no folder, and the package of that name has none with {', '.join(_FILES)}")
    return carried


def _carried(package: str) -> Iterator[Path]:
    """Folders of an installed package that hold a transformer; the package is not imported."""
    for file in distribution(package).files or ():
        if file.name == _FILES[0]:
            folder = Path(str(file.locate())).parent
            if all((folder / name).is_file() for name in _FILES):
                yield folder


def _file(one: OnnxImage, beside: Path) -> Path:
    path = beside / one.source
    if not path.is_file():
        reason = f"{path} is no file. Its path begins beside the design file."
        raise EncoderMissing(where=one.at, part="OnnxImage", source=one.source, reason=reason)
    return path


def _missing(one: Transformer, reason: str) -> EncoderMissing:
    return EncoderMissing(where=one.at, part="Transformer", source=one.source, reason=reason)
