"""What a head loses, and how classes are weighed."""
# B = rows of a batch, C = classes, R = all rows, L = lists

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from sixfold.design.heads import AnyOf, Binary, Head, OneOf

__all__ = ["class_weights", "head_loss", "list_loss"]

_GAMMA = 2.0


def head_loss(head: Head, out: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
    """The mean loss over what has a label; 0 where nothing has.

    Args:
        out: Shape (B,), of a head with classes (B, C), in the scale of the loss: logits of probabilities.
        target: The same shape; NaN takes no part. A share between 0 and 1 is the wanted probability.
        weight: Of `balanced` classes: (2, C) of absent and present for `Binary` and `AnyOf`, (C,) for `OneOf`.
    """
    if isinstance(head, OneOf):
        return _one_of(head, out, target, weight)
    known = ~torch.isnan(target)
    if not bool(known.any()):
        return out.sum() * 0.0
    if not isinstance(head, Binary | AnyOf):
        # The median: of watch times on a logarithmic scale, it orders better than their mean.
        return functional.l1_loss(out[known], target[known])
    wanted = torch.where(known, target, 0.0)
    loss = functional.binary_cross_entropy_with_logits(out, wanted, reduction="none")
    if head.loss == "focal":
        loss = loss * (torch.sigmoid(out) - wanted).abs() ** _GAMMA
    if weight is not None:
        absent, present = weight if target.ndim == 2 else weight[:, 0]
        loss = loss * (absent + (present - absent) * wanted)
    # The classes of one label count together as much as one label of a flag does, each by itself.
    return loss[known].mean() * (target.shape[1] if target.ndim == 2 else 1)


def list_loss(out_B: Tensor, target_B: Tensor, list_B: Tensor, lift_B: Tensor) -> Tensor:
    """Cross-entropy of a softmax over each list, the mean over lists with a positive (Cao et al., ICML 2007).

    Args:
        out_B: Scores; rows of a list stand together.
        target_B: 0 or 1; several positives of a list share its weight.
        list_B: The number of each row's list.
        lift_B: Added to scores, which corrects for how rows were drawn (Bengio & Senecal, 2008).
    """
    _, which_B = torch.unique_consecutive(list_B, return_inverse=True)
    count, score_B = int(which_B[-1]) + 1, out_B + lift_B
    most_L = torch.full((count,), -torch.inf, device=out_B.device).scatter_reduce(0, which_B, score_B.detach(), "amax")
    total_L = torch.zeros_like(most_L).index_add(0, which_B, torch.exp(score_B - most_L[which_B]))
    loss_B = most_L[which_B] + torch.log(total_L)[which_B] - score_B
    positives_L = torch.zeros_like(most_L).index_add(0, which_B, target_B)
    mean_L = torch.zeros_like(most_L).index_add(0, which_B, loss_B * target_B) / positives_L.clamp(min=1.0)
    return mean_L.sum() / (positives_L > 0).sum().clamp(min=1)


def class_weights(heads: Sequence[Head], targets: Sequence[Tensor]) -> list[Tensor | None]:
    """For each head that asks for balance, what makes its classes weigh the same over the training rows.

    Args:
        targets: Of the training rows, shape (R,) or (R, C).
    """
    return [_balance(head, target) for head, target in zip(heads, targets)]


def _one_of(head: OneOf, out_BC: Tensor, target_BC: Tensor, weight_C: Tensor | None) -> Tensor:
    known_B = ~torch.isnan(target_BC).any(1)
    if not bool(known_B.any()):
        return out_BC.sum() * 0.0
    said_BC, wanted_BC = functional.log_softmax(out_BC[known_B], 1), target_BC[known_B]
    loss_BC = -wanted_BC * said_BC
    if head.loss == "focal":
        loss_BC = loss_BC * (wanted_BC - said_BC.exp()).abs() ** _GAMMA
    if weight_C is not None:
        loss_BC = loss_BC * weight_C
    return loss_BC.sum(1).mean()


def _balance(head: Head, target: Tensor) -> Tensor | None:
    if not isinstance(head, Binary | AnyOf | OneOf) or head.loss != "balanced":
        return None
    columns = target if target.ndim == 2 else target[:, None]
    share_C = torch.nanmean(columns, 0).clamp(1e-3, 1 - 1e-3)
    if isinstance(head, OneOf):
        return 1 / (share_C * len(share_C))
    return torch.stack([0.5 / (1 - share_C), 0.5 / share_C])
