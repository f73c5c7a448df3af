"""Layers that models share."""
# B = rows, L = length of a list, D = width, E = experts, H = heads

import torch
from torch import Tensor, nn

__all__ = [
    "CrossLayers",
    "ExpertMixture",
    "RecencyPool",
    "alone",
    "embedding",
    "mean_pool",
    "root_pool",
    "weighted_sum",
]


class CrossLayers(nn.Module):
    """Crosses of the inputs with themselves, `x0 * (W x + b) + x` a layer (DCN-V2: Wang et al., WWW 2021)."""

    def __init__(self, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x_BD: Tensor) -> Tensor:
        x0_BD = x_BD
        for layer in self.layers:
            x_BD = x0_BD * self.dropout(layer(x_BD)) + x_BD
        return x_BD


class ExpertMixture(nn.Module):
    """Experts that all heads share, mixed for each head by its own gate (MMoE: Ma et al., KDD 2018)."""

    def __init__(self, width: int, experts: int, out: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 2 * out), nn.ReLU(), nn.Dropout(dropout), nn.Linear(2 * out, out), nn.ReLU())
            for _ in range(experts)
        )
        self.gates = nn.ModuleList(nn.Linear(width, experts) for _ in range(heads))

    def forward(self, x_BD: Tensor) -> list[Tensor]:
        """One (B, out) tensor a head."""
        out_BED = torch.stack([expert(x_BD) for expert in self.experts], 1)
        return [(torch.softmax(gate(x_BD), 1)[..., None] * out_BED).sum(1) for gate in self.gates]


class RecencyPool(nn.Module):
    """The sum of a list's embeddings, each weighted by how far from the end it stands, over the root of the weights."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.zeros(length))

    def forward(self, codes_BL: Tensor, table: nn.Embedding) -> Tensor:
        """Shape (B, D)."""
        known_BL = (codes_BL > 0).float()
        # A list is padded behind: the last of n elements stands at n - 1 and is 0 places back.
        back_BL = known_BL.sum(1, keepdim=True) - 1 - torch.arange(codes_BL.shape[1], device=codes_BL.device)
        weight_BL = torch.exp(self.place)[back_BL.clamp(min=0).long()] * known_BL
        total_B1 = weight_BL.sum(1, keepdim=True).clamp(min=1e-6)
        return weighted_sum(codes_BL, weight_BL, table) / total_B1.sqrt()


def alone(scores_BC: Tensor) -> Tensor:
    """The scores of a head, shape (B, C); where there is one, shape (B,)."""
    return scores_BC.squeeze(1) if scores_BC.shape[1] == 1 else scores_BC  # ONNX squeezes nothing but a one


def embedding(codes: int, width: int, scale: float) -> nn.Embedding:
    """Embeddings that start small; null stays zero and the unknown starts there: a cold item is what else is known."""
    table = nn.Embedding(codes, width, padding_idx=0)
    nn.init.normal_(table.weight, 0.0, scale)
    with torch.no_grad():
        table.weight[:2] = 0.0
    return table


def weighted_sum(codes_BL: Tensor, weight_BL: Tensor, table: nn.Module) -> Tensor:
    """The sum of a list's embeddings times their weights, shape (B, D)."""
    if torch.compiler.is_exporting():  # ONNX knows no embedding bag with weights
        exported: Tensor = (weight_BL[..., None] * table(codes_BL)).sum(1)
        return exported
    summed: Tensor = nn.functional.embedding_bag(
        codes_BL, table.get_parameter("weight"), mode="sum", per_sample_weights=weight_BL, padding_idx=0
    )
    return summed


def mean_pool(codes_BL: Tensor, table: nn.Module) -> Tensor:
    """The mean embedding of a list, shape (B, D); zero for an empty one."""
    return _sum(codes_BL, table) / _length(codes_BL).clamp(min=1)


def root_pool(codes_BL: Tensor, table: nn.Module) -> Tensor:
    """The sum of a list's embeddings over the root of its length: longer lists say more, but not in proportion."""
    return _sum(codes_BL, table) / _length(codes_BL).clamp(min=1).sqrt()


def _length(codes_BL: Tensor) -> Tensor:
    return (codes_BL > 0).float().sum(1, keepdim=True)


def _sum(codes_BL: Tensor, table: nn.Module) -> Tensor:
    if torch.compiler.is_exporting():  # padding's embedding is zero, so the export needs no mask
        exported: Tensor = table(codes_BL).sum(1)
        return exported
    return weighted_sum(codes_BL, (codes_BL > 0).float(), table)
