"""A network with the rows that it learns from: encoded arrays, targets, losses."""
# B = rows of a batch, R = all rows

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from sixfold.design.bodies import Body, DeepFm, Fm, Linear
from sixfold.design.heads import Binary, Head, Order, WatchTime
from sixfold.design.models import Network
from sixfold.inference.encoding import Encoder
from sixfold.inference.inputs import Inputs
from sixfold.models.factorization import WholeNetwork
from sixfold.models.network import MultiTaskNetwork
from sixfold.models.vectors import VectorInput, vector_inputs
from sixfold.training.attacks import ATTACKS, attacked
from sixfold.training.encoders import Sources, tuned_of
from sixfold.training.lists import ListRows
from sixfold.training.loop import device, tensors
from sixfold.training.losses import head_loss, list_loss
from sixfold.training.rows import Rows

__all__ = [
    "AnyNetwork",
    "Learner",
    "disguised",
    "draw_negatives",
    "label_columns",
    "make_network",
    "standardise",
]

AnyNetwork = MultiTaskNetwork | WholeNetwork


class Learner:
    """What a network loses on its rows.

    Args:
        arrays: As `encoded` gives them, R rows.
        targets: Shape (R,) for each head, (R, C) for one with classes, in the scale of its loss; NaN takes no part.
        weights: Of classes, as `class_weights` gives them; all alike where they are not given.
        lists: The lists that the rows stand in, if they do.
    """

    def __init__(
        self,
        model: Network,
        network: AnyNetwork,
        arrays: Mapping[str, NDArray[Any]],
        targets: Sequence[Tensor],
        weights: Sequence[Tensor | None] = (),
        lists: ListRows | None = None,
    ) -> None:
        self.model, self.network, self.targets = model, network, targets
        self.weights = weights or [None for _ in model.heads]
        self._rows = Rows(arrays)
        self._lists = None if lists is None else _list_tensors(lists)
        self._by_list = lists is not None and any(isinstance(head, Order) for head in model.heads)

    def read_anew(self, texts: Mapping[str, NDArray[Any]]) -> None:
        """Take other arrays for some of its columns, such as texts in disguise."""
        self._rows.replace(texts)

    def labelled(self, rows: NDArray[np.int64]) -> Tensor:
        """Those of these rows that some head has a label of."""
        known = torch.stack([~torch.isnan(_flat(target)).all(1) for target in self.targets]).any(0).cpu().numpy()
        return torch.from_numpy(rows[known[rows]]).to(device())

    def loss(self, rows_B: Tensor) -> Tensor:
        """The heads' losses, each the mean over the rows that have its label, in a sum by their weights."""
        outputs = self._outputs(rows_B)
        each = zip(self.model.heads, outputs, self.targets, self.weights)
        losses = [
            head.weight * self._head_loss(head, out, target[rows_B], weight, rows_B)
            for head, out, target, weight in each
        ]
        return torch.stack(losses).sum()

    def batches(self, rows_R: Tensor, size: int, generator: torch.Generator | None = None) -> Sequence[Tensor]:
        """The rows in batches of about `size`, shuffled by the generator; where lists are learned, of whole lists."""
        if not self._by_list or self._lists is None:
            if generator is not None:
                rows_R = rows_R[torch.randperm(len(rows_R), generator=generator).to(device())]
            return torch.split(rows_R, size)
        number_R = self._lists["number"][rows_R]
        starts = torch.cat([torch.ones(1, dtype=torch.bool, device=device()), number_R[1:] != number_R[:-1]]).nonzero()
        sizes = torch.diff(torch.cat([starts.flatten(), starts.new_tensor([len(rows_R)])])).tolist()
        lists = torch.split(rows_R, sizes)
        order = range(len(lists)) if generator is None else torch.randperm(len(lists), generator=generator).tolist()
        batch = np.cumsum([len(lists[at]) for at in order]) // size
        return [torch.cat([lists[order[at]] for at in own]) for own in _runs(batch)]

    def _head_loss(self, head: Head, out: Tensor, target: Tensor, weight: Tensor | None, rows_B: Tensor) -> Tensor:
        if self._lists is None:
            return head_loss(head, out, target, weight)
        lift_B = self._lists["lift"][rows_B]
        if isinstance(head, Order):
            drawn_B = torch.where(self._lists["own"][rows_B], 0.0, lift_B)
            return list_loss(out, target, self._lists["number"][rows_B], drawn_B)
        return head_loss(head, out + lift_B if isinstance(head, Binary) else out, target, weight)

    def mean_loss(self, rows_R: Tensor) -> float:
        """The loss over many rows, without gradients wanted."""
        sums = [(float(self.loss(rows)), len(rows)) for rows in self.batches(rows_R, self._rows.at_once)]
        return sum(value * n for value, n in sums) / max(1, sum(n for _, n in sums))

    def outputs(self, head: int) -> NDArray[np.float64]:
        """What the network says of one head, in the scale of its loss (a logit, a logarithm), shape (R,)."""
        rows = torch.arange(len(self.targets[0]), device=device())
        with torch.no_grad():
            parts = [self._outputs(part)[head].cpu().numpy() for part in torch.split(rows, self._rows.at_once)]
        return np.concatenate([np.empty(0), *parts])

    def _outputs(self, rows_B: Tensor) -> list[Tensor]:
        found: list[Tensor] = self.network(self._rows.take(rows_B))
        return found


def make_network(
    model: Network,
    encoder: Encoder,
    widths: Sequence[int] | None = None,
    sizes: Sequence[int] | None = None,
    sources: Sources | None = None,
) -> AnyNetwork:
    """The network that a design describes, its weights as they begin; `sizes` says how many scores each head has."""
    vectors = vector_inputs(encoder.vectors, tuned_of(model, encoder.vectors, sources or Sources()))
    if isinstance(model.body, Linear | Fm | DeepFm):
        return WholeNetwork(encoder, model.body, sizes or [1] * len(model.heads), model.size, vectors)
    bodies: Sequence[Body] = model.body if isinstance(model.body, Sequence) else [model.body]
    return MultiTaskNetwork(encoder, bodies, model.heads, model.size, widths, sizes, model.hashed_text, vectors)


def standardise(network: AnyNetwork, arrays: Mapping[str, NDArray[Any]], rows: NDArray[np.int64]) -> None:
    """Let the vectors of encoders be standardised as those of these rows."""
    for one in network.modules():
        if isinstance(one, VectorInput):
            one.standardise(torch.from_numpy(arrays[one.name][rows]).to(device()))


def disguised(
    inputs: Inputs, table: pa.Table, rows: NDArray[np.int64], share: float, seed: int
) -> dict[str, NDArray[Any]]:
    """The arrays of texts, so large a share of these rows attacked by one disguise each.

    Hashed words and the tokens of a tuned transformer are of the same disguised texts. What a frozen one made of the
    texts stays: it is computed once.
    """
    rng, arrays = random.Random(seed), dict[str, NDArray[Any]]()
    attacks: dict[str, list[str | None]] = {}
    for coder in inputs.encoder.texts:
        attacks[coder.name] = texts = table[coder.name].to_pylist()
        for row in rows.tolist():
            if texts[row] and rng.random() < share:
                texts[row] = attacked(texts[row], rng.choice(list(ATTACKS)), rng)
        arrays |= coder.encode(texts)
    arrays |= inputs.vectors.tokens_of(attacks)
    return {name: array.astype(np.int32) for name, array in arrays.items()}


def label_columns(
    heads: Sequence[Head], examples: pa.Table, outputs: Mapping[str, Sequence[str]] | None = None
) -> list[Tensor]:
    """Each head's label in the scale of its loss, of one with classes a column each; NaN where it is null.

    Args:
        outputs: Names of the scores of each label with classes.
    """
    made = []
    for head in heads:
        names = (outputs or {}).get(head.label.name)
        own = [
            np.asarray(examples[f"label.{name}"].to_numpy(zero_copy_only=False), np.float64)
            for name in names or [head.label.name]
        ]
        y = np.stack(own, 1) if names else own[0]
        y = np.log1p(np.maximum(y, 0.0)) if isinstance(head, WatchTime) else y
        made.append(torch.from_numpy(y.astype(np.float32)).to(device()))
    return made


def draw_negatives(heads: Sequence[Head], targets: Sequence[Tensor], seed: int) -> list[Tensor]:
    """NaN for the negatives of a head that are not drawn (`Binary(negatives=)`)."""
    draws = torch.Generator(device=device()).manual_seed(seed)
    drawn = []
    for head, target in zip(heads, targets):
        if isinstance(head, Binary) and head.negatives < 1:
            left_out = torch.rand(len(target), generator=draws, device=device()) >= head.negatives
            target = torch.where((target == 0) & left_out, torch.nan, target)
        drawn.append(target)
    return drawn


def _list_tensors(lists: ListRows) -> dict[str, Tensor]:
    return tensors({"number": lists.number_B, "own": lists.own_B, "lift": lists.lift_B.astype(np.float32)})


def _runs(which: NDArray[np.int64]) -> list[list[int]]:
    """The places of equal neighbours."""
    cuts = np.flatnonzero(np.diff(which)) + 1
    return [own.tolist() for own in np.split(np.arange(len(which)), cuts)]


def _flat(target: Tensor) -> Tensor:
    return target if target.ndim == 2 else target[:, None]
