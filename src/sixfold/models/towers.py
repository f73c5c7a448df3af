"""Two towers whose inner product orders items (Yi et al., RecSys 2019)."""
# B = rows, N = numbers, C = categories, L = length of a list, D = embedding width

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sixfold.inference.encoding import Encoder
from sixfold.models.layers import RecencyPool, embedding, mean_pool

__all__ = ["Tower", "TowerPair"]


class TowerPair(nn.Module):
    """Both towers; texts of one vocabulary share their embeddings, so a history speaks the items' own language."""

    def __init__(self, query: Encoder, item: Encoder, size: int, key: str) -> None:
        """
        Args:
            query, item: Encodings of the two sides; a vocabulary that both have must be the same.
            size: D, the width of embeddings and outputs.
            key: The item's own vocabulary, whose texts have a bias each.
        """
        super().__init__()
        vocabularies = {**query.vocabularies, **item.vocabularies}
        self.embeddings = nn.ModuleDict(
            {_safe(name): embedding(v.size, size, 0.02) for name, v in vocabularies.items()}
        )
        self.query = Tower(query, size, self.embeddings, bias=None, recency=True)
        self.item = Tower(item, size, self.embeddings, bias=key, recency=False)


class Tower(nn.Module):
    """One side: the sum of its embeddings, one more number for the items' bias (for queries it is 1)."""

    def __init__(
        self, encoder: Encoder, size: int, embeddings: nn.ModuleDict, *, bias: str | None, recency: bool
    ) -> None:
        super().__init__()
        self.categories = [_safe(field.vocabulary) for field in encoder.categories]
        self.lists = [(field.name, _safe(field.vocabulary)) for field in encoder.lists]
        self.embeddings = embeddings
        self.constant = nn.Parameter(torch.zeros(size))
        self.numbers = _Numbers(encoder.width, 1 if bias else size) if encoder.width else None
        keys = [field.vocabulary for field in encoder.categories]
        self.key = keys.index(bias) if bias in keys else None
        self.bias = embedding(encoder.vocabularies[bias].size, 1, 0.0) if bias in keys and bias is not None else None
        self.is_item = bias is not None
        self.pools = nn.ModuleDict(
            {str(i): RecencyPool(field.length or 1) for i, field in enumerate(encoder.lists)} if recency else {}
        )

    def forward(self, arrays: Mapping[str, Tensor]) -> Tensor:
        """Vectors of shape (B, D + 1); `arrays` as the side's `Encoder` gives them, empty ones may be missing."""
        rows = next(iter(arrays.values())).shape[0]
        vector_BD = self.constant.expand(rows, -1)
        for at, vocabulary in enumerate(self.categories):
            vector_BD = vector_BD + self.embeddings[vocabulary](arrays["categories"][:, at])
        for at, (name, vocabulary) in enumerate(self.lists):
            table = self.embeddings[vocabulary]
            pool = self.pools[str(at)] if self.pools else mean_pool
            vector_BD = vector_BD + pool(arrays[name], table)
        last_B1 = torch.ones_like(vector_BD[:, :1])
        if self.is_item:
            last_B1 = torch.zeros_like(last_B1)
            if self.bias is not None and self.key is not None:
                last_B1 = last_B1 + self.bias(arrays["categories"][:, self.key])
        if self.numbers is not None:
            scaled = self.numbers(arrays["numbers"])
            vector_BD, last_B1 = (vector_BD, last_B1 + scaled) if self.is_item else (vector_BD + scaled, last_B1)
        return torch.cat([vector_BD, last_B1], 1)


class _Numbers(nn.Module):
    """A linear and a small curved function of the numbers, both zero at first."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.linear, self.curved = nn.Linear(width, out), nn.Sequential(nn.Linear(width, 16), nn.ReLU())
        self.last = nn.Linear(16, out)
        for layer in (self.linear, self.last):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, numbers_BN: Tensor) -> Tensor:
        """Shape (B, out)."""
        return torch.as_tensor(self.linear(numbers_BN) + self.last(self.curved(numbers_BN)))


def _safe(name: str) -> str:
    """A module's name may not hold a dot."""
    return name.replace(".", "/")
