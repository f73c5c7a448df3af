"""Models that are whole by themselves: logistic regression on hashed crosses, factorization machines, DeepFM."""
# B = rows, N = numbers, C = categories, F = fields (numbers, categories, lists), X = crosses, D = width, H = heads

from collections.abc import Mapping, Sequence
from itertools import combinations

import torch
from torch import Tensor, nn

from sixfold.design.bodies import DeepFm, Fm, Linear, Whole
from sixfold.inference.encoding import Encoder
from sixfold.models.layers import alone, embedding, root_pool
from sixfold.models.text import DirectText, WordTable
from sixfold.models.vectors import DirectVector, TunedText, VectorInput

__all__ = ["WholeNetwork"]

_DROPOUT = 0.1
_PRIME = 2_147_483_647
"""2**31 - 1: products of two numbers below it fit in 64 bits."""


class WholeNetwork(nn.Module):
    """Inputs -> one number a head, in the scale of its loss; the sum of the parts that the body names."""

    def __init__(
        self,
        encoder: Encoder,
        body: Whole,
        sizes: Sequence[int],
        size: int,
        vectors: Sequence[VectorInput | TunedText] = (),
    ) -> None:
        """
        Args:
            sizes: How many scores each head has.
            size: D, the width of every field's embedding.
            vectors: What reads the vectors of texts and images, or the tokens of texts.
        """
        super().__init__()
        self.sizes, heads = list(sizes), sum(sizes)
        self.parts = nn.ModuleList([_FirstOrder(encoder, heads)] if _plain(encoder) else [])
        self.parts.extend(DirectText(coder, heads) for coder in encoder.texts)
        self.parts.extend(DirectVector(vector, heads) for vector in vectors)
        if isinstance(body, Linear):
            if body.crosses > 1 and len(encoder.categories) > 1:
                self.parts.append(_Crosses(len(encoder.categories), body.crosses, body.buckets, heads))
        elif isinstance(body, Fm | DeepFm):
            self.parts.append(_Factorized(encoder, heads, size, body.widths if isinstance(body, DeepFm) else ()))
        self.bias = nn.Parameter(torch.zeros(heads))

    def forward(self, arrays: Mapping[str, Tensor]) -> list[Tensor]:
        """One (B,) tensor a head, or (B, C); `arrays` as `Encoder` gives them, empty ones may be missing."""
        total_BH = self.bias + sum(part(arrays) for part in self.parts)
        return [alone(out) for out in total_BH.split(self.sizes, 1)]

    def word_tables(self) -> list[WordTable]:
        """What words become, for each text."""
        return [WordTable.of(None, part) for part in self.parts if isinstance(part, DirectText)]

    def start_at(self, head: int, value: Tensor) -> None:
        """Let a head begin at this value, or these of its scores."""
        first = sum(self.sizes[:head])
        with torch.no_grad():
            self.bias[first : first + self.sizes[head]] = value


def _plain(encoder: Encoder) -> bool:
    """Whether there is anything but texts."""
    return bool(encoder.width or encoder.categories or encoder.all_lists)


class _FirstOrder(nn.Module):
    """A weight for each number, category and element of a list."""

    def __init__(self, encoder: Encoder, heads: int) -> None:
        super().__init__()
        self.lists = [field.name for field in encoder.all_lists]
        self.numbers = nn.Linear(encoder.width, heads, bias=False) if encoder.width else None
        self.categories = nn.ModuleList(embedding(n, heads, 0.0) for n in encoder.sizes(encoder.categories))
        self.elements = nn.ModuleList(embedding(n, heads, 0.0) for n in encoder.sizes(encoder.all_lists))
        if self.numbers is not None:
            nn.init.zeros_(self.numbers.weight)

    def forward(self, arrays: Mapping[str, Tensor]) -> Tensor:
        parts = [table(arrays["categories"][:, at]) for at, table in enumerate(self.categories)]
        parts += [root_pool(arrays[name], table) for name, table in zip(self.lists, self.elements)]
        parts += [self.numbers(arrays["numbers"])] if self.numbers is not None else []
        return torch.stack(parts).sum(0)


class _Crosses(nn.Module):
    """A weight for each cross of categories, shared among crosses that a hash puts together."""

    multipliers_XC: Tensor
    shifts_X: Tensor

    def __init__(self, categories: int, crosses: int, buckets: int, heads: int) -> None:
        super().__init__()
        chosen = [c for n in range(2, crosses + 1) for c in combinations(range(categories), n)]
        draws = torch.Generator().manual_seed(1)  # the hash itself, the same for every model
        multipliers_XC = torch.zeros(len(chosen), categories, dtype=torch.int64)
        for at, own in enumerate(chosen):
            multipliers_XC[at, list(own)] = torch.randint(1, 2**31 - 1, (len(own),), generator=draws)
        self.register_buffer("multipliers_XC", multipliers_XC)
        self.register_buffer("shifts_X", torch.randint(0, 2**31 - 1, (len(chosen),), generator=draws))
        self.buckets = buckets
        self.weights = nn.Embedding(buckets, heads)
        nn.init.zeros_(self.weights.weight)

    def forward(self, arrays: Mapping[str, Tensor]) -> Tensor:
        codes_BC = arrays["categories"]
        # Multiply-shift modulo a prime, category after category, so that nothing passes 64 bits.
        hash_BX = self.shifts_X.expand(codes_BC.shape[0], -1)
        for at in range(codes_BC.shape[1]):
            hash_BX = (hash_BX + codes_BC[:, at : at + 1] * self.multipliers_XC[:, at]) % _PRIME
        return torch.as_tensor(self.weights(hash_BX % self.buckets).sum(1))


class _Factorized(nn.Module):
    """Inner products of all pairs of fields' embeddings, and where widths are given, layers beside them."""

    def __init__(self, encoder: Encoder, heads: int, size: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.lists = [field.name for field in encoder.all_lists]
        self.numbers = nn.Parameter(torch.randn(encoder.width, size) * 0.01)
        self.categories = nn.ModuleList(embedding(n, size, 0.01) for n in encoder.sizes(encoder.categories))
        self.elements = nn.ModuleList(embedding(n, size, 0.01) for n in encoder.sizes(encoder.all_lists))
        # Each head weighs the D products of a pair by itself; one head of weight 1 is the paper's machine.
        self.products = nn.Linear(size, heads, bias=False)
        nn.init.ones_(self.products.weight)
        fields = encoder.width + len(self.categories) + len(self.elements)
        layers: list[nn.Module] = []
        width = fields * size
        for out in widths:
            layers += [nn.Linear(width, out), nn.ReLU(), nn.Dropout(_DROPOUT)]
            width = out
        self.deep = nn.Sequential(*layers, nn.Linear(width, heads, bias=False)) if widths else None

    def forward(self, arrays: Mapping[str, Tensor]) -> Tensor:
        parts = [table(arrays["categories"][:, at]) for at, table in enumerate(self.categories)]
        parts += [root_pool(arrays[name], table) for name, table in zip(self.lists, self.elements)]
        field_BFD = torch.stack(parts, 1) if parts else None
        if len(self.numbers):
            scaled_BND = arrays["numbers"][..., None] * self.numbers
            field_BFD = scaled_BND if field_BFD is None else torch.cat([field_BFD, scaled_BND], 1)
        assert field_BFD is not None, "the design refuses a model without inputs"
        crossed_BD = (field_BFD.sum(1).square() - field_BFD.square().sum(1)) / 2
        out_BH = self.products(crossed_BD)
        return torch.as_tensor(out_BH if self.deep is None else out_BH + self.deep(field_BFD.flatten(1)))
