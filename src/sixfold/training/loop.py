"""The training loop: whole arrays on the device, shuffled batches, linear decay, early stopping."""
# B = rows of a batch

import copy
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sixfold.design.models import Training
from sixfold.models.transformer import SentenceEncoder

__all__ = ["Curve", "Progress", "device", "fit", "parameter_groups", "tensors"]

_WARM_UP_STEPS = 50
_MANY_TENSORS = 64
"""Of a transformer that is tuned: of four layers, such as the smallest have."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training is, told after every batch."""

    model: str
    epoch: int
    epochs: int
    done: float
    """Share of the whole training, 0 to 1."""
    loss: float


@dataclass(frozen=True, slots=True)
class Curve:
    """Losses by epoch."""

    training: tuple[float, ...]
    validation: tuple[float, ...]
    best: int
    """The epoch whose weights were kept, from 1."""


def device() -> torch.device:
    """CUDA where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def tensors(arrays: dict[str, NDArray[Any]]) -> dict[str, Tensor]:
    """Whole columns as tensors on the device."""
    return {name: torch.from_numpy(np.ascontiguousarray(array)).to(device()) for name, array in arrays.items()}


def fit(
    name: str,
    module: nn.Module,
    training: Training,
    *,
    batches: Callable[[torch.Generator], Sequence[Tensor]],
    loss: Callable[[Tensor], Tensor],
    validate: Callable[[], float],
    decay_embeddings: bool,
    seed: int,
    progress: Callable[[Progress], None],
) -> Curve:
    """Train in place, and leave the weights of the epoch with the least validation loss.

    Args:
        batches: An epoch's batches of row numbers, shuffled by the generator.
        loss: Of one batch.
        validate: The validation loss of the module as it is.
        decay_embeddings: Whether weight decay is for the embeddings alone; otherwise it is for all else.
        progress: Called after every batch.
    """
    # Batches are small: threads wait for each other longer than they work (towers on two busy cores: 28 s with one
    # thread, 168 s with two). The products of a transformer of the usual sizes are large.
    torch.set_num_threads((os.cpu_count() or 1) if len(_paces(module)) >= _MANY_TENSORS else 1)
    generator = torch.Generator().manual_seed(seed)
    own = parameter_groups(module, training, decay_embeddings)
    # Fused: one pass over tables of many rows instead of several (32 ms instead of 278 for 6 million weights).
    optimizer = torch.optim.AdamW(own, lr=training.learning_rate, fused=True)
    losses: list[float] = []
    held: list[float] = []
    best: dict[str, Any] = {}
    step = 0
    for epoch in range(1, training.epochs + 1):
        module.train()
        order = batches(generator)
        steps, total = training.epochs * len(order), 0.0
        warm_up = min(_WARM_UP_STEPS, max(1, steps // 10))
        for rows_B in order:
            rate = training.learning_rate * min(1.0, (step + 1) / warm_up) * (1 - step / steps)
            for group in optimizer.param_groups:
                group["lr"] = rate * group["pace"]
            step += 1
            value = loss(rows_B)
            optimizer.zero_grad(set_to_none=True)
            value.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += value.item()
            progress(Progress(name, epoch, training.epochs, step / steps, value.item()))
        losses.append(total / max(1, len(order)))
        module.eval()
        with torch.no_grad():
            held.append(validate())
        if held[-1] <= min(held) or epoch == 1:
            best = copy.deepcopy(module.state_dict())
        if epoch - int(np.argmin(held)) > training.patience:
            break
    module.load_state_dict(best)
    module.eval()
    return Curve(tuple(losses), tuple(held), int(np.argmin(held)) + 1)


def parameter_groups(module: nn.Module, training: Training, decay_embeddings: bool) -> list[dict[str, Any]]:
    """Parameters by whether they are embeddings, and by their pace: how fast they learn, 1 as `Training` says."""
    tables = {id(m.weight) for m in module.modules() if isinstance(m, nn.Embedding)}
    paces = {name: rate / training.learning_rate for name, rate in _paces(module).items()}
    decays = {True: 0.0, False: 0.0, decay_embeddings: training.weight_decay}
    groups: dict[tuple[bool, float], list[nn.Parameter]] = {}
    for key, parameter in {id(p): p for p in module.parameters()}.items():
        groups.setdefault((key in tables, paces.get(key, 1.0)), []).append(parameter)
    return [
        {"params": own, "weight_decay": decays[embeddings], "pace": pace} for (embeddings, pace), own in groups.items()
    ]


def _paces(module: nn.Module) -> dict[int, float]:
    """By parameter the learning rate of a module that has one of its own: a transformer that is tuned."""
    own = [(m, m.learning_rate) for m in module.modules() if isinstance(m, SentenceEncoder)]
    return {id(parameter): rate for one, rate in own for parameter in one.parameters()}
