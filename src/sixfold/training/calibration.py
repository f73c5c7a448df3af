"""Fitting what turns a trained model's scores into probabilities, on the validation part."""
# B = rows, K = knots

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sixfold.design.heads import AnyOf, Binary, Calibration, Head, OneOf
from sixfold.errors import NothingToCalibrate
from sixfold.inference.correction import Correction
from sixfold.inference.models import Scorer, load, read_card, write_card

__all__ = ["calibrate", "fit_correction"]

Floats = NDArray[np.float64]
_SMALLEST = 1e-9


def calibrate(
    heads: Sequence[Head],
    validation: pa.Table,
    folder: Path,
    outputs: Callable[[str], Sequence[str]] = lambda label: (label,),
    kept: Path | None = None,
) -> None:
    """Fit what heads ask for by `calibrate=` and `negatives=`, and write it beside the exported model.

    Of a label with classes each is corrected by itself; a class that validation does not hold, or holds alone, is left.

    Args:
        outputs: Names of the scores of a label.
        validation: The columns that the model reads and `label.NAME`.
        folder: Holds the exported model, whose scores are not corrected yet.
        kept: Where the run keeps vectors (see `inference.vectors`).

    Raises:
        NothingToCalibrate: the validation part has no label, or all of one kind.
    """
    asked = [h for h in heads if isinstance(h, Binary | AnyOf | OneOf) and (h.calibrate or _negatives(h) != 1.0)]
    if not asked:
        return
    scorer: Scorer = load(folder, threads=2, kept=kept)  # type: ignore[assignment]  # towers have no heads
    scores = scorer.score_table(validation)
    corrections = {}
    for head, name in [(one, name) for one in asked for name in outputs(one.label.name)]:
        label = np.asarray(validation[f"label.{name}"].to_numpy(zero_copy_only=False), np.float64)
        known = ~np.isnan(label)
        if head.calibrate is not None and len(np.unique(label[known])) < 2:
            if not isinstance(head, Binary) and known.any():
                continue
            raise NothingToCalibrate(where=head.at, label=name, rows=int(known.sum()))
        corrections[name] = fit_correction(scores[name][known], label[known], head.calibrate, _negatives(head))
    write_card(folder, msgspec.structs.replace(read_card(folder), corrections=corrections))


def _negatives(head: AnyOf | Binary | OneOf) -> float:
    return head.negatives if isinstance(head, Binary) else 1.0


def fit_correction(score_B: Floats, label_B: Floats, how: Calibration | None, negatives: float = 1.0) -> Correction:
    """The correction of one head.

    Args:
        score_B: What the model says, in (0, 1), shape (B,).
        label_B: 0 or 1.
        how: None undoes the sampling alone.
        negatives: The share of negatives that the model learned from.
    """
    sampled = Correction(negatives=negatives)
    found_B = sampled.apply(score_B)
    if how == "isotonic":
        scores, values = _isotonic(found_B, label_B)
        return msgspec.structs.replace(sampled, scores=tuple(scores.tolist()), values=tuple(values.tolist()))
    if how == "beta":
        return msgspec.structs.replace(sampled, beta=_beta(found_B, label_B))
    return sampled


def _isotonic(score_B: Floats, label_B: Floats) -> tuple[Floats, Floats]:
    """Knots at the mean score and mean label of each level of the least-squares monotone fit.

    Between levels the probability rises in a straight line instead of a step: two scores are never made equal, so a
    calibrated model orders as before. The mean over all rows stays close to that of the labels.
    """
    from sklearn.isotonic import IsotonicRegression

    order = np.argsort(score_B, kind="stable")
    score_B, label_B = score_B[order], label_B[order]
    level_B = IsotonicRegression(increasing=True).fit_transform(score_B, label_B)
    _, which_B, count_K = np.unique(level_B, return_inverse=True, return_counts=True)
    scores_K = np.bincount(which_B, score_B) / count_K
    # One row more of the mean label in each level: none is certain, whatever few rows said.
    values_K = (np.bincount(which_B, label_B) + label_B.mean()) / (count_K + 1)
    scores_K, values_K = np.concatenate([[0.0], scores_K, [1.0]]), np.concatenate([[0.0], values_K, [1.0]])
    # That row may put a small level below the one before it: such a knot goes.
    rises = values_K[1:] > np.maximum.accumulate(values_K)[:-1]
    kept = np.concatenate([[True], rises & (np.diff(scores_K) > 0)])
    return scores_K[kept], values_K[kept]


def _beta(score_B: Floats, label_B: Floats) -> tuple[float, float, float]:
    """Logistic regression on ln p and -ln(1 - p), with a and b at least 0 so that order is kept (Kull et al., 2017)."""
    from scipy.optimize import minimize

    p_B = np.clip(score_B, _SMALLEST, 1 - _SMALLEST)
    rows_B3 = np.stack([np.log(p_B), -np.log1p(-p_B), np.ones_like(p_B)], 1)

    def loss(w_3: Floats) -> tuple[float, Floats]:
        z_B = rows_B3 @ w_3
        value = float(np.mean(np.logaddexp(0.0, z_B) - label_B * z_B))
        return value, rows_B3.T @ (1.0 / (1.0 + np.exp(-z_B)) - label_B) / len(z_B)

    found = minimize(loss, [1.0, 1.0, 0.0], jac=True, method="L-BFGS-B", bounds=[(0, None), (0, None), (None, None)])
    a, b, c = (float(one) for one in found.x)
    return a, b, c
