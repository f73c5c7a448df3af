"""Exporting a torch module to ONNX, checked against torch."""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sixfold.errors import ExportDiffers
from sixfold.inference.text import GRAMS, PAIRS, WORD_VECTORS, WORDS
from sixfold.inference.vectors import TOKENS
from sixfold.inference.words import OUTPUT, WordVectors, word_file
from sixfold.models.text import WordTable

__all__ = ["export", "export_means", "export_words"]

_TOLERANCE = 1e-4


def export(module: nn.Module, arrays: dict[str, NDArray[Any]], outputs: Sequence[str], path: Path) -> None:
    """Write the module as ONNX with a free number of rows, and compare what both say of the sample rows.

    Args:
        module: Takes a dict of tensors, gives a tensor or a tuple of them.
        arrays: Sample rows, two or more, by the names that the ONNX inputs get.
        outputs: Names of the ONNX outputs.

    Raises:
        ExportDiffers: torch and ONNX Runtime differ by more than 1e-4, relative to 1 + the value.
    """
    import onnxruntime

    module = module.cpu().eval()
    # An array without columns would become an input whose number of rows is fixed.
    used = {name: array for name, array in arrays.items() if array.ndim == 1 or array.shape[1]}
    sample = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in used.items()}
    rows = torch.export.Dim("rows", min=1)
    shapes: dict[str, dict[int, Any]] = {name: {0: rows} for name in sample}
    for name in sample:  # texts have as many words as the longest has, and codes for each distinct word
        if name.endswith((WORDS, PAIRS)):
            shapes[name][1] = torch.export.Dim(f"length{list(sample).index(name.rpartition(':')[0] + WORDS)}", min=1)
        elif TOKENS in name:
            shapes[name][1] = torch.export.Dim(f"tokens{list(sample).index(name)}", min=1)
        elif name.endswith((GRAMS, WORD_VECTORS)):
            shapes[name] = {0: torch.export.Dim(f"distinct{list(sample).index(name)}", min=1)}
    with _quiet():
        torch.onnx.export(
            module,
            (),
            str(path),
            kwargs={"arrays": sample},
            input_names=list(sample),
            output_names=list(outputs),
            dynamic_shapes={"arrays": shapes},
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    with torch.no_grad():
        told = module(sample)
    expected = [t.numpy() for t in (told if isinstance(told, tuple) else (told,))]
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    inputs = {i.name: arrays[i.name] for i in session.get_inputs()}
    for name, ours, theirs in zip(outputs, expected, session.run(list(outputs), inputs)):
        difference = float(np.max(np.abs(ours - theirs) / (1.0 + np.abs(ours)), initial=0.0))
        if not difference <= _TOLERANCE:
            raise ExportDiffers(path=str(path), output=name, difference=difference, tolerance=_TOLERANCE)


def export_words(
    tables: Sequence[WordTable], sample: Mapping[str, NDArray[Any]], folder: Path, graph: str
) -> dict[str, NDArray[Any]]:
    """Export what makes vectors of words; the sample rows as the rest of the graph reads them."""
    left = dict(sample)
    for at, (name, weight) in enumerate(tables):
        path = folder / word_file(graph, at)
        export_means(weight.cpu().numpy(), path)
        left[name + WORD_VECTORS] = WordVectors(path, threads=1).of(left.pop(name + GRAMS))
    return left


def export_means(table: NDArray[np.float32], path: Path) -> None:
    """Write ONNX that gives the mean of rows of a table: of codes, shape (W, K), those above 0; `OUTPUT` is (W, V).

    Written node by node, since the exporter takes ten seconds for what are seven nodes.
    """
    from onnx import TensorProto, checker, helper, numpy_helper, save

    constants: dict[str, NDArray[Any]] = {
        "table": np.ascontiguousarray(table, np.float32),
        "none": np.array(0, np.int64),
        "codes": np.array([1], np.int64),
        "one": np.array(1.0, np.float32),
    }
    nodes = [
        helper.make_node("Gather", ["table", "grams"], ["each"], axis=0),
        helper.make_node("ReduceSum", ["each", "codes"], ["sum"], keepdims=0),
        helper.make_node("Greater", ["grams", "none"], ["there"]),
        helper.make_node("Cast", ["there"], ["counted"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["counted", "codes"], ["count"], keepdims=1),
        helper.make_node("Max", ["count", "one"], ["length"]),
        helper.make_node("Div", ["sum", "length"], [OUTPUT]),
    ]
    graph = helper.make_graph(
        nodes,
        "means",
        [helper.make_tensor_value_info("grams", TensorProto.INT64, ["words", "codes_of_one"])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["words", table.shape[1]])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    checker.check_model(model)
    save(model, str(path))


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter's talk: of torchvision, which is not used, and of its own deprecated internals."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", UserWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        logger.setLevel(level)
