"""Opening ONNX files."""

from pathlib import Path
from typing import Any

from sixfold.errors import ReleaseDamaged

__all__ = ["session"]


def session(path: Path, threads: int) -> Any:
    """An ONNX Runtime session.

    Raises:
        ReleaseDamaged: the file is missing or cannot be read.
    """
    import onnxruntime

    if not path.is_file():
        raise ReleaseDamaged(path=str(path), reason="it is not there")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except (RuntimeError, ValueError) as error:
        raise ReleaseDamaged(path=str(path), reason=str(error).splitlines()[0]) from error
