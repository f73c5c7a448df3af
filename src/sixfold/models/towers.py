"""Two towers whose inner product orders items (Yi et al., RecSys 2019)."""
# B = rows, N = numbers, C = categories, L = length of a list, D = embedding width, P = numbers of a place

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sixfold.design.texts import HashedText
from sixfold.inference.encoding import Encoder
from sixfold.inference.places import PlaceCoder
from sixfold.inference.text import GRAMS, WORD_VECTORS
from sixfold.inference.vocabularies import UNKNOWN
from sixfold.models.layers import RecencyPool, embedding, mean_pool
from sixfold.models.text import DirectText, TextEncoder, WordTable
from sixfold.models.vectors import VectorInput

__all__ = ["Tower", "TowerPair"]

_HIDDEN = 0.5
"""How often an item's key is hidden in training, where it has a text or a place: a new item has nothing else."""


class TowerPair(nn.Module):
    """Both towers; texts of one vocabulary share their embeddings, so a history speaks the items' own language."""

    def __init__(self, query: Encoder, item: Encoder, size: int, key: str, text: HashedText | None = None) -> None:
        """
        Args:
            query, item: Encodings of the two sides; a vocabulary that both have must be the same.
            size: D, the width of embeddings and outputs.
            key: The item's own vocabulary, whose texts have a bias each.
            text: How texts are read, where an encoder has some.
        """
        super().__init__()
        vocabularies = {**query.vocabularies, **item.vocabularies}
        self.embeddings = nn.ModuleDict(
            {_safe(name): embedding(v.size, size, 0.02) for name, v in vocabularies.items()}
        )
        text = text or HashedText()
        self.query = Tower(query, size, self.embeddings, text, bias=None, recency=True)
        self.item = Tower(item, size, self.embeddings, text, bias=key, recency=False)
        # A word is one word, whoever says it: new titles are found for what others said.
        texts = [*self.query.texts, *self.item.texts]
        for one in texts[1:]:
            one.table = texts[0].table


class Tower(nn.Module):
    """One side: the sum of its embeddings and of what its texts say; the items' bias (for queries 1); a place."""

    def __init__(
        self,
        encoder: Encoder,
        size: int,
        embeddings: nn.ModuleDict,
        text: HashedText,
        *,
        bias: str | None,
        recency: bool,
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
        self.texts = nn.ModuleList(TextEncoder(coder, text) for coder in encoder.texts)
        self.vectors = nn.ModuleList(VectorInput(field) for field in encoder.vectors)
        prose = [*self.texts, *self.vectors]
        self.prose = nn.ModuleList(nn.Linear(int(read.width), size) for read in prose)
        self.direct = nn.ModuleList(DirectText(coder, 1) for coder in encoder.texts if self.is_item)
        self.places = nn.ModuleList(_Place(place, weighted=not self.is_item) for place in encoder.places)

    def forward(self, arrays: Mapping[str, Tensor]) -> Tensor:
        """Vectors of shape (B, D + 1 + P); `arrays` as the side's `Encoder` gives them, empty ones may be missing."""
        if self.training and self.key is not None and (self.prose or self.places):
            arrays = {**arrays, "categories": self._some(arrays["categories"])}
        rows = next(a.shape[0] for name, a in arrays.items() if not name.endswith((GRAMS, WORD_VECTORS)))
        vector_BD = self.constant.expand(rows, -1)
        for at, vocabulary in enumerate(self.categories):
            vector_BD = vector_BD + self.embeddings[vocabulary](arrays["categories"][:, at])
        for at, (name, vocabulary) in enumerate(self.lists):
            table = self.embeddings[vocabulary]
            pool = self.pools[str(at)] if self.pools else mean_pool
            vector_BD = vector_BD + pool(arrays[name], table)
        for read, layer in zip((*self.texts, *self.vectors), self.prose):
            vector_BD = vector_BD + layer(read(arrays))
        last_B1 = torch.ones_like(vector_BD[:, :1])
        if self.is_item:
            last_B1 = torch.zeros_like(last_B1)
            if self.bias is not None and self.key is not None:
                last_B1 = last_B1 + self.bias(arrays["categories"][:, self.key])
            for direct in self.direct:
                last_B1 = last_B1 + direct(arrays)
        if self.numbers is not None:
            scaled = self.numbers(arrays["numbers"])
            vector_BD, last_B1 = (vector_BD, last_B1 + scaled) if self.is_item else (vector_BD + scaled, last_B1)
        return torch.cat([vector_BD, last_B1, *(place(arrays) for place in self.places)], 1)

    def _some(self, codes_BC: Tensor) -> Tensor:
        """The codes with some items' keys unknown: what else is known learns to do without (Volkovs, NIPS 2017)."""
        hidden_B = torch.rand(len(codes_BC), device=codes_BC.device) < _HIDDEN
        key_BC = torch.arange(codes_BC.shape[1], device=codes_BC.device) == self.key
        return codes_BC.masked_fill(hidden_B[:, None] & key_BC, UNKNOWN)

    def word_tables(self) -> list[WordTable]:
        """What words become, for each text."""
        direct = self.direct if self.is_item else [None] * len(self.texts)
        return [WordTable.of(text, own) for text, own in zip(self.texts, direct)]  # type: ignore[arg-type]


class _Place(nn.Module):
    """The numbers of a place; on one side those of each scale times how much being so near matters."""

    def __init__(self, coder: PlaceCoder, *, weighted: bool) -> None:
        super().__init__()
        self.name, self.each = coder.array, coder.width // coder.scales
        # To be near is never worse: the weights are exponentials, 1 at first.
        self.weight = nn.Parameter(torch.zeros(coder.scales)) if weighted else None

    def forward(self, arrays: Mapping[str, Tensor]) -> Tensor:
        """Shape (B, P)."""
        place_BP = arrays[self.name]
        if self.weight is None:
            return place_BP
        return place_BP * torch.exp(self.weight).repeat_interleave(self.each)


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
