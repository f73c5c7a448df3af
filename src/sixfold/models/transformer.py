"""A pre-trained transformer as a vector of each text."""
# B = texts, L = tokens of the longest, D = width

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sixfold.design.texts import Transformer
from sixfold.errors import EncoderUnusable

__all__ = ["SentenceEncoder"]


class SentenceEncoder(nn.Module):
    """Tokens -> last states -> one vector, as the folder says: their mean, or the first; normalised or not.

    Reimers & Gurevych, EMNLP 2019. Without `1_Pooling` in the folder it is the mean.

    Args:
        folder: In Hugging Face's format.

    Raises:
        EncoderUnusable: the folder holds no encoder of texts, or none that reads so many tokens.
    """

    def __init__(self, design: Transformer, folder: Path) -> None:
        super().__init__()
        self.design, self.learning_rate = design, design.learning_rate
        self.first, self.normalise = _pooling(design, folder)
        self.body, self.pad = _loaded(design, folder)
        self.width = int(self.body.config.hidden_size)
        try:
            with torch.no_grad():
                self.eval()(torch.ones((1, design.longest), dtype=torch.int64))
        except (IndexError, RuntimeError) as error:
            reason = f"it does not read longest={design.longest} tokens ({str(error).splitlines()[0]})"
            raise _unusable(design, reason) from error

    def forward(self, tokens_BL: Tensor) -> Tensor:
        """Shape (B, D); tokens as `inference.preparing` gives them: 0 behind a text's end."""
        there_BL = tokens_BL > 0
        ids_BL = torch.where(there_BL, tokens_BL - 1, self.pad)
        state_BLD = self.body(input_ids=ids_BL, attention_mask=there_BL.long()).last_hidden_state
        if self.first:
            vector_BD = state_BLD[:, 0]
        else:
            weight_BL1 = there_BL[..., None].to(state_BLD.dtype)
            vector_BD = (state_BLD * weight_BL1).sum(1) / weight_BL1.sum(1).clamp(min=1.0)
        return torch.as_tensor(nn.functional.normalize(vector_BD, dim=1) if self.normalise else vector_BD)


def _loaded(design: Transformer, folder: Path) -> tuple[Any, int]:
    """The model, and the number of the token that stands for none."""
    from transformers import AutoModel

    with _quiet():
        try:
            # Attention that is written out is what ONNX can be exported of.
            body, told = AutoModel.from_pretrained(
                str(folder), local_files_only=True, trust_remote_code=False, use_safetensors=True,
                attn_implementation="eager", output_loading_info=True, dtype=torch.float32,
            )  # fmt: skip
        except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
            raise _unusable(design, str(error).splitlines()[0]) from error
    if missing := sorted(name for name in told["missing_keys"] if not name.startswith("pooler.")):
        raise _unusable(design, f"model.safetensors lacks {len(missing)} weights, such as {missing[0]}")
    if getattr(body.config, "is_encoder_decoder", False):
        raise _unusable(design, f"a {body.config.model_type} has a decoder too; an encoder alone is read")
    return body, int(body.config.pad_token_id or 0)


def _pooling(design: Transformer, folder: Path) -> tuple[bool, bool]:
    """Whether the first token stands for a text, not the mean of all; whether vectors have length 1."""
    modules = _json(design, folder / "modules.json") or []
    normalise = any(str(one.get("type", "")).endswith(".Normalize") for one in modules)
    pooling = next((one["path"] for one in modules if str(one.get("type", "")).endswith(".Pooling")), "1_Pooling")
    said = _json(design, folder / pooling / "config.json") or {"pooling_mode_mean_tokens": True}
    modes = {name for name, on in said.items() if name.startswith("pooling_mode_") and on is True}
    known = ({"pooling_mode_mean_tokens"}, {"pooling_mode_cls_token"})
    if modes not in known:
        raise _unusable(design, f"it pools by {', '.join(sorted(modes)) or 'nothing'}; the mean or the first is read")
    if any(str(one.get("type", "")).endswith(".Dense") for one in modules):
        raise _unusable(design, "it has a dense layer above its pooling, which is not read")
    return modes == known[1], normalise


def _json(design: Transformer, path: Path) -> Any:
    try:
        return json.loads(path.read_text()) if path.is_file() else None
    except ValueError as error:
        raise _unusable(design, f"{path.name} is not JSON ({error})") from error


def _unusable(design: Transformer, reason: str) -> EncoderUnusable:
    return EncoderUnusable(where=design.at, part="Transformer", source=design.source, reason=reason)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the bar that the library draws while it loads."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
