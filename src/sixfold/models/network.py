"""A network of stacked bodies over embedded inputs, one head a label."""
# B = rows, N = numbers, C = categories, L = length of a list, D = width

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from sixfold.design.bodies import Body, Cross, Experts
from sixfold.design.heads import Head, WatchTime
from sixfold.design.texts import HashedText
from sixfold.inference.encoding import Encoder
from sixfold.models.layers import CrossLayers, ExpertMixture, alone, embedding, root_pool
from sixfold.models.text import DirectText, TextEncoder, WordTable
from sixfold.models.vectors import TunedText, VectorInput

__all__ = ["MultiTaskNetwork"]

_DROPOUT, _HEAD_WIDTH = 0.1, 32


class MultiTaskNetwork(nn.Module):
    """Inputs, embedded and joined -> bodies -> one output a head, in the scale of its loss (a logit, a logarithm)."""

    def __init__(
        self,
        encoder: Encoder,
        bodies: Sequence[Body],
        heads: Sequence[Head],
        size: int,
        widths: Sequence[int] | None = None,
        scores: Sequence[int] | None = None,
        text: HashedText | None = None,
        vectors: Sequence[VectorInput | TunedText] = (),
    ) -> None:
        """
        Args:
            size: The widest embedding; a category with few values has a narrower one.
            widths: Of the categories' embeddings, where they are not to follow from how many values there are.
            scores: How many each head has; one where it is not given.
            text: How texts are read, where the encoder has some.
            vectors: What reads the vectors of texts and images, or the tokens of texts.
        """
        super().__init__()
        self.lists = [field.name for field in encoder.all_lists]
        self.places = [place.array for place in encoder.places]
        sizes = encoder.sizes(encoder.categories)
        widths = widths or [min(size, max(2, round(1.6 * codes**0.4))) for codes in sizes]
        self.widths = list(widths)
        self.categories = nn.ModuleList(embedding(codes, width, 0.01) for codes, width in zip(sizes, widths))
        lists = encoder.sizes(encoder.all_lists)
        self.list_embeddings = nn.ModuleList(embedding(codes, size, 0.01) for codes in lists)
        self.scores = list(scores or [1] * len(heads))
        self.texts = nn.ModuleList(TextEncoder(coder, text or HashedText()) for coder in encoder.texts)
        self.direct = nn.ModuleList(DirectText(coder, sum(self.scores)) for coder in encoder.texts)
        self.vectors = nn.ModuleList(vectors)
        width = encoder.width + sum(widths) + size * len(lists) + sum(place.width for place in encoder.places)
        width += sum(int(read.width) for read in (*self.texts, *self.vectors))
        self.bodies = nn.ModuleList()
        for body in bodies:
            module, width = _body(body, width, len(heads))
            self.bodies.append(module)
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(width, _HEAD_WIDTH), nn.ReLU(), nn.Linear(_HEAD_WIDTH, outputs))
            for outputs in self.scores
        )
        self.durations = [f"raw:{h.duration}" if isinstance(h, WatchTime) else None for h in heads]

    def forward(self, arrays: Mapping[str, Tensor]) -> list[Tensor]:
        """One (B,) tensor a head, or (B, C); `arrays` as `Encoder` gives them, empty ones may be missing."""
        parts = [arrays["numbers"]] if "numbers" in arrays else []
        parts += [table(arrays["categories"][:, at]) for at, table in enumerate(self.categories)]
        parts += [arrays[name] for name in self.places]
        parts += [root_pool(arrays[n], table) for n, table in zip(self.lists, self.list_embeddings)]
        parts += [read(arrays) for read in (*self.texts, *self.vectors)]
        x: Tensor | list[Tensor] = torch.cat(parts, 1)
        for body in self.bodies:
            x = body(x)
        per_head = x if isinstance(x, list) else [x] * len(self.heads)
        found = [head(own) for head, own in zip(self.heads, per_head)]
        for direct in self.direct:
            found = [out + more for out, more in zip(found, direct(arrays).split(self.scores, 1))]
        return [alone(out) for out in found]

    def word_tables(self) -> list[WordTable]:
        """What words become, for each text."""
        return [WordTable.of(text, direct) for text, direct in zip(self.texts, self.direct)]  # type: ignore[arg-type]

    def start_at(self, head: int, value: Tensor) -> None:
        """Let a head begin near this value, or these of its scores."""
        with torch.no_grad():
            self.heads[head][-1].bias.copy_(value)  # type: ignore[index]


def _body(body: Body, width: int, heads: int) -> tuple[nn.Module, int]:
    if isinstance(body, Cross):
        return CrossLayers(width, body.layers, _DROPOUT), width
    if isinstance(body, Experts):
        return ExpertMixture(width, body.n, body.width, heads, _DROPOUT), body.width
    layers: list[nn.Module] = []
    for out in body.widths:
        layers += [nn.Linear(width, out), nn.ReLU(), nn.Dropout(_DROPOUT)]
        width = out
    return nn.Sequential(*layers), width
