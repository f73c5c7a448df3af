"""Metrics of scored examples: order (AUC and its kin), probability (log loss, calibration), a cut, distance."""
# N = examples, G = users with both classes, B = bins

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sixfold.evaluation.concordance import concordance
from sixfold.evaluation.statistic import Auc, AveragePrecision, Statistic, Sums, Undefined, by_user

__all__ = ["BINS", "score_statistic"]

BINS = 10
"""Bins of `calibration_error`."""

_SMALLEST = 1e-15
"""Probabilities are cut to [this, 1 - this], so that one certain mistake does not make a log loss infinite."""

Floats = NDArray[np.float64]


def score_statistic(name: str, scores: ArrayLike, labels: ArrayLike, users: ArrayLike) -> Statistic:
    """Prepare a metric of examples.

    Args:
        name: `auc`; `grouped_auc`, the mean of the users' own AUCs, each user with both classes weighted by their
            examples (Zhou et al., KDD 2018); `log_loss`; `normalized_entropy`, log loss over the entropy of the mean
            label (He et al., ADKDD 2014); `calibration_error`, the mean distance of mean score and mean label over
            bins of equally many examples (Naeini et al., AAAI 2015; equal counts: Nguyen & O'Connor, EMNLP 2015);
            `calibration_bias`, how far the sum of the scores is from that of the labels, as a share of it (He et al.);
            `xauc`, the share of pairs with different labels whose scores have the same order (Zhan et al., KDD 2022);
            `average_precision`, the area below the precision at each recall, without interpolation; `precision`,
            `true_positive_rate` (recall) and `false_positive_rate` of those whose score is a half or more;
            `prevalence`, the mean label, whatever the scores; `mae`; `rmse`.
        scores: Shape (N,); probabilities for `log_loss`, `normalized_entropy` and those of calibration, the label's
            unit for `mae` and `rmse`, any scale for the others.
        labels: Shape (N,); 0 or 1 but for `xauc`, `mae` and `rmse`; NaN where there is no label: such an example
            takes no part.
        users: Shape (N,), the query's key of each example; any type that sorts, none null.

    Returns:
        The statistic; `Undefined`, with the reason, where the metric has no value.

    >>> from sixfold.evaluation.bootstrap import measure
    >>> measure(score_statistic("auc", [0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], [1, 2, 3, 4])).value
    0.75
    """
    label_N: Floats = np.asarray(labels, np.float64)
    labelled = np.isfinite(label_N)
    scores_N: Floats = np.asarray(scores, np.float64)[labelled]
    labels_N, users_N = label_N[labelled], np.asarray(users)[labelled]
    if why := _missing(name, scores_N, labels_N):
        return Undefined(why)
    return _STATISTICS[name](scores_N, labels_N, users_N)


def _missing(name: str, scores_N: Floats, labels_N: Floats) -> str:
    """Why the metric has no value on these examples; empty if it has one."""
    if not len(labels_N):
        return "no example has the label"
    if bad := int(np.count_nonzero(~np.isfinite(scores_N))):
        return f"{bad} of {len(scores_N)} scores are not numbers"
    if name in _TWO_CLASSES + _PROBABILITIES + _CUT and not np.isin(labels_N, (0, 1)).all():
        return "it needs labels of 0 and 1"
    if name in _PROBABILITIES and (scores_N.min() < 0 or scores_N.max() > 1):
        return "it needs scores from 0 to 1"
    if name == "calibration_bias" and not labels_N.any():
        return "no label is true"
    if name in (*_TWO_CLASSES, "xauc", "normalized_entropy") and labels_N.min() == labels_N.max():
        return f"every label is {labels_N[0]:g}"
    return ""


def _auc(scores_N: Floats, labels_N: Floats, users_N: NDArray[Any]) -> Statistic:
    users, user_N = np.unique(users_N, return_inverse=True)
    order = np.argsort(scores_N, kind="stable")
    return Auc(users, user_N[order], labels_N[order], _starts(scores_N[order]))


def _average_precision(scores_N: Floats, labels_N: Floats, users_N: NDArray[Any]) -> Statistic:
    users, user_N = np.unique(users_N, return_inverse=True)
    order = np.argsort(-scores_N, kind="stable")
    last_T = np.append(_starts(scores_N[order])[1:], len(order)) - 1
    return AveragePrecision(users, user_N[order], labels_N[order], last_T)


def _share(of: str) -> Callable[[Floats, Floats, NDArray[Any]], Statistic]:
    """Among examples said to be true (`said`), or that are (`is`) or are not (`not`): how many have the other."""

    def statistic(scores_N: Floats, labels_N: Floats, users_N: NDArray[Any]) -> Statistic:
        said_N = (scores_N >= 0.5).astype(np.float64)
        among_N = {"said": said_N, "is": labels_N, "not": 1 - labels_N}[of]
        if not among_N.any():
            return Undefined({"said": "no score is a half or more", "is": "no label is true"}.get(of, "all are true"))
        return Sums(*by_user(users_N, among_N * (labels_N if of == "said" else said_N), among_N), _ratio)

    return statistic


def _prevalence(scores_N: Floats, labels_N: Floats, users_N: NDArray[Any]) -> Statistic:
    return Sums(*by_user(users_N, labels_N, np.ones_like(labels_N)), _ratio)


def _grouped_auc(scores_N: Floats, labels_N: Floats, users_N: NDArray[Any]) -> Statistic:
    users, user_N = np.unique(users_N, return_inverse=True)
    order = np.lexsort((scores_N, user_N))
    user_N, scores_N, labels_N = user_N[order], scores_N[order], labels_N[order]
    first = _starts(user_N, scores_N)
    size = np.diff(np.append(first, len(scores_N)))
    rank_N = np.repeat(first + (size + 1) / 2, size)  # ties share the mean of their ranks
    examples = np.bincount(user_N).astype(np.float64)
    positives = np.bincount(user_N, weights=labels_N)
    before = np.cumsum(examples) - examples
    ranks = np.bincount(user_N, weights=labels_N * rank_N) - before * positives
    both = (positives > 0) & (positives < examples)
    if not both.any():
        return Undefined("no user has examples of both classes")
    users, examples, positives = users[both], examples[both], positives[both]
    auc_G = (ranks[both] - positives * (positives + 1) / 2) / (positives * (examples - positives))
    return Sums(users, np.stack([auc_G * examples, examples], axis=1), _ratio)


def _xauc(scores_N: Floats, labels_N: Floats, users_N: NDArray[Any]) -> Statistic:
    # Pairs are weighted to first order (the Hajek projection): a pair's weight is the product of two, so a user's own
    # share of the pairs counts twice. Exact for the value, and for the interval up to terms of order 1 / users.
    agree_N, pairs_N = concordance(scores_N, labels_N)
    value = agree_N.sum() / pairs_N.sum()
    return Sums(*by_user(users_N, agree_N, pairs_N), lambda sums: 2 * _ratio(sums) - value)


def _log_loss(scores_N: Floats, labels_N: Floats, users_N: NDArray[Any]) -> Statistic:
    return Sums(*by_user(users_N, _losses(scores_N, labels_N), np.ones_like(labels_N)), _ratio)


def _normalized_entropy(scores_N: Floats, labels_N: Floats, users_N: NDArray[Any]) -> Statistic:
    def finish(sums: Floats) -> Floats:
        mean = sums[:, 1] / sums[:, 2]
        entropy = -(mean * np.log(mean) + (1 - mean) * np.log1p(-mean))
        return np.asarray(sums[:, 0] / sums[:, 2] / entropy, np.float64)

    return Sums(*by_user(users_N, _losses(scores_N, labels_N), labels_N, np.ones_like(labels_N)), finish)


def _calibration_error(scores_N: Floats, labels_N: Floats, users_N: NDArray[Any]) -> Statistic:
    order = np.argsort(scores_N, kind="stable")
    scores_N, labels_N, users_N = scores_N[order], labels_N[order], users_N[order]
    first = _starts(scores_N)
    # Equal scores share a bin, so that the order of the rows means nothing.
    bin_N = np.repeat(first * BINS // len(scores_N), np.diff(np.append(first, len(scores_N))))
    gaps = [np.where(bin_N == b, scores_N - labels_N, 0.0) for b in range(BINS)]

    def finish(sums: Floats) -> Floats:
        return np.asarray(np.abs(sums[:, :-1]).sum(axis=1) / sums[:, -1], np.float64)

    return Sums(*by_user(users_N, *gaps, np.ones_like(labels_N)), finish)


def _calibration_bias(scores_N: Floats, labels_N: Floats, users_N: NDArray[Any]) -> Statistic:
    return Sums(*by_user(users_N, scores_N, labels_N), lambda sums: np.abs(_ratio(sums) - 1))


def _mae(scores_N: Floats, labels_N: Floats, users_N: NDArray[Any]) -> Statistic:
    return Sums(*by_user(users_N, np.abs(scores_N - labels_N), np.ones_like(labels_N)), _ratio)


def _rmse(scores_N: Floats, labels_N: Floats, users_N: NDArray[Any]) -> Statistic:
    sums = by_user(users_N, np.square(scores_N - labels_N), np.ones_like(labels_N))
    return Sums(*sums, lambda total: np.sqrt(_ratio(total)))


_STATISTICS = {
    "auc": _auc,
    "grouped_auc": _grouped_auc,
    "xauc": _xauc,
    "log_loss": _log_loss,
    "normalized_entropy": _normalized_entropy,
    "calibration_error": _calibration_error,
    "calibration_bias": _calibration_bias,
    "average_precision": _average_precision,
    "precision": _share("said"),
    "true_positive_rate": _share("is"),
    "false_positive_rate": _share("not"),
    "prevalence": _prevalence,
    "mae": _mae,
    "rmse": _rmse,
}
_TWO_CLASSES = ("auc", "grouped_auc", "average_precision")
_CUT = ("precision", "true_positive_rate", "false_positive_rate")
_PROBABILITIES = ("log_loss", "normalized_entropy", "calibration_error", "calibration_bias")


def _ratio(sums: Floats) -> Floats:
    return np.asarray(sums[:, 0] / sums[:, 1], np.float64)


def _losses(scores_N: Floats, labels_N: Floats) -> Floats:
    chance_N = np.clip(np.where(labels_N == 1, scores_N, 1 - scores_N), _SMALLEST, 1 - _SMALLEST)
    return np.asarray(-np.log(chance_N), np.float64)


def _starts(*sorted_N: NDArray[Any]) -> NDArray[np.int64]:
    """Where each run of equal values begins."""
    changes = np.any([column[1:] != column[:-1] for column in sorted_N], axis=0)
    return np.concatenate([[0], np.flatnonzero(changes) + 1]).astype(np.int64)
