"""Texts as vectors, from hashed words and n-grams."""
# B = texts, L = words of the longest, W = distinct words, K = codes of a word, D = width, F = filters, S = scores

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sixfold.design.texts import HashedText
from sixfold.inference.text import GRAMS, PAIRS, WORD_VECTORS, WORDS, TextCoder
from sixfold.models.layers import embedding, mean_pool, weighted_sum

__all__ = ["DirectText", "TextEncoder", "WordTable"]

_ATTENTIONS, _WIDTHS, _SCALE = 4, (1, 2, 3), 0.1
_FAR = -1e4
_SLOWER = 5.0
"""Direct weights are a small share of a score, so that they learn where the vectors do not."""


class TextEncoder(nn.Module):
    """A vector of each text: convolutions with their maximum, attentive means, the sum of all words."""

    def __init__(self, coder: TextCoder, design: HashedText) -> None:
        super().__init__()
        self.name, self.share = coder.name, design.dropout
        size, filters = design.size, design.filters
        self.table = embedding(coder.buckets + 2, size, _SCALE)
        self.width = len(_WIDTHS) * filters + (1 + _ATTENTIONS) * size
        self.convolutions = nn.ModuleList(nn.Conv1d(size, filters, width, padding=width - 1) for width in _WIDTHS)
        self.attention = nn.Linear(size, _ATTENTIONS)
        self.dropout = nn.Dropout(design.dropout)

    def forward(self, arrays: Mapping[str, Tensor]) -> Tensor:
        """Shape (B, `width`); `arrays` as `TextCoder` gives them."""
        words_BL = self._some(arrays[self.name + WORDS])
        there_BL = words_BL > 0
        word_WD = _words(arrays, self.name, self.table, first=True)
        x_BLD = self.dropout(nn.functional.embedding(words_BL, word_WD)) * there_BL[..., None]
        length_B1 = there_BL.sum(1, keepdim=True).clamp(min=1)
        parts = [x_BLD.sum(1) / length_B1.sqrt()]
        parts += [self._most(convolve, x_BLD, there_BL) for convolve in self.convolutions]
        weight_BLA = self.attention(x_BLD).masked_fill(~there_BL[..., None], _FAR).softmax(1)
        parts += [(weight_BLA.transpose(1, 2) @ x_BLD).flatten(1)]
        return torch.as_tensor(self.dropout(torch.cat(parts, 1)))

    @staticmethod
    def _most(convolve: nn.Module, x_BLD: Tensor, there_BL: Tensor) -> Tensor:
        """Each filter's maximum over where it saw a word: what stands behind a text is another one's length."""
        found_BFT = torch.relu(convolve(x_BLD.transpose(1, 2)))
        width = found_BFT.shape[2] - there_BL.shape[1] + 1
        seen_BT = torch.cat([there_BL[:, :1].expand(-1, width - 1), there_BL], 1)
        return (found_BFT * seen_BT[:, None]).amax(2)

    def _some(self, words_BL: Tensor) -> Tensor:
        """The words, in training without those that are left out at random."""
        if not self.training or not self.share:
            return words_BL
        return words_BL * (torch.rand(words_BL.shape, device=words_BL.device) >= self.share)


class DirectText(nn.Module):
    """A weight of every score for each word, n-gram and pair of words, over the root of the text's length."""

    def __init__(self, coder: TextCoder, scores: int) -> None:
        super().__init__()
        self.name = coder.name
        self.words = embedding(coder.buckets + 2, scores, 0.0)
        self.pairs = embedding(coder.buckets + 2, scores, 0.0)

    def forward(self, arrays: Mapping[str, Tensor]) -> Tensor:
        """Shape (B, S)."""
        words_BL, pairs_BL = arrays[self.name + WORDS], arrays[self.name + PAIRS]
        there_BL = (words_BL > 0).float()
        root_B1 = there_BL.sum(1, keepdim=True).clamp(min=1).sqrt()
        word_WS = _words(arrays, self.name, self.words, first=False)
        of_words_BS = (nn.functional.embedding(words_BL, word_WS) * there_BL[..., None]).sum(1)
        of_pairs_BS = weighted_sum(pairs_BL, (pairs_BL > 0).float(), self.pairs)
        return torch.as_tensor((_SLOWER * of_words_BS + of_pairs_BS) / root_B1)


class WordTable(NamedTuple):
    """What the parts of a network that read one text learn of its words and n-grams, side by side."""

    name: str
    """Canonical name of the text's column."""
    weight: Tensor
    """Shape (codes, D + S): in this order, see `_words`."""

    @staticmethod
    def of(encoder: TextEncoder | None, direct: DirectText | None) -> "WordTable":
        """Of the parts that read one text, one or both."""
        parts = [one for one in (encoder, direct) if one is not None]
        tables = [one.table if isinstance(one, TextEncoder) else one.words for one in parts]
        return WordTable(parts[0].name, torch.cat([table.weight.detach() for table in tables], 1))


def _words(arrays: Mapping[str, Tensor], name: str, table: nn.Embedding, *, first: bool) -> Tensor:
    """The vectors of words: their own part of those that are given, or from their codes.

    Args:
        first: Whether the part stands in front, or at the end.
    """
    if (given := arrays.get(name + WORD_VECTORS)) is None:
        return mean_pool(arrays[name + GRAMS], table)
    width = table.embedding_dim
    return given[:, :width] if first else given[:, given.shape[1] - width :]
