"""Vectors of texts and images as inputs of a network."""
# B = rows, D = width of a vector, S = scores

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from sixfold.design.texts import Transformer
from sixfold.inference.vectors import VectorField
from sixfold.models.transformer import SentenceEncoder

__all__ = ["DirectVector", "TunedText", "VectorInput", "vector_inputs"]

_DROPOUT = 0.1


class VectorInput(nn.Module):
    """A vector that an encoder made before, standardised number by number, and whether it is there."""

    mean_D: Tensor
    std_D: Tensor

    def __init__(self, field: VectorField) -> None:
        super().__init__()
        self.name, self.width = field.array, field.width + 1
        self.register_buffer("mean_D", torch.zeros(field.width))
        self.register_buffer("std_D", torch.ones(field.width))
        self.dropout = nn.Dropout(_DROPOUT)

    def forward(self, arrays: Mapping[str, Tensor]) -> Tensor:
        """Shape (B, D + 1); a null is zeros and a 1."""
        vector_BD, null_B1 = arrays[self.name][:, :-1], arrays[self.name][:, -1:]
        scaled_BD = (vector_BD - self.mean_D) / self.std_D * (1 - null_B1)
        return torch.cat([self.dropout(scaled_BD), null_B1], 1)

    def standardise(self, vector_BD: Tensor) -> None:
        """Take the means and deviations of these vectors, as `Vectors` gives them; nulls are left out."""
        known_BD = vector_BD[vector_BD[:, -1] == 0, :-1]
        if len(known_BD) > 1:
            self.mean_D.copy_(known_BD.mean(0))
            # A number that hardly varies says nothing, and is not to be blown up.
            self.std_D.copy_(known_BD.std(0).clamp(min=1e-3 * float(known_BD.std()) + 1e-12))


class TunedText(nn.Module):
    """A text's vector by a transformer that learns with the network."""

    def __init__(self, field: VectorField, encoder: SentenceEncoder) -> None:
        super().__init__()
        self.name, self.encoder, self.width = field.array, encoder, encoder.width

    def forward(self, arrays: Mapping[str, Tensor]) -> Tensor:
        """Shape (B, D)."""
        return torch.as_tensor(self.encoder(arrays[self.name]))


class DirectVector(nn.Module):
    """A weight of every score for each number of a vector."""

    def __init__(self, vector: VectorInput | TunedText, scores: int) -> None:
        super().__init__()
        self.vector, self.weights = vector, nn.Linear(vector.width, scores, bias=False)
        nn.init.zeros_(self.weights.weight)

    def forward(self, arrays: Mapping[str, Tensor]) -> Tensor:
        """Shape (B, S)."""
        return torch.as_tensor(self.weights(self.vector(arrays)))


def vector_inputs(
    fields: Sequence[VectorField], tuned: Mapping[str, tuple[Transformer, Path]]
) -> list[VectorInput | TunedText]:
    """What reads each field.

    Args:
        tuned: By the field's array the transformer that is a part of the network, and its folder. Texts that one reads
            share its weights.
    """
    encoders = {one: SentenceEncoder(one, folder) for one, folder in tuned.values()}
    return [TunedText(one, encoders[tuned[one.array][0]]) if one.array in tuned else VectorInput(one) for one in fields]
