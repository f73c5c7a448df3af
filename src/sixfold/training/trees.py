"""Training gradient-boosted trees (LightGBM: Ke et al., NeurIPS 2017), one ensemble a head."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sixfold.design.heads import Binary, Head, Order
from sixfold.design.kinds import Kind
from sixfold.design.models import Trees
from sixfold.features.lists import LIST
from sixfold.inference.encoding import fit as fit_encoder
from sixfold.inference.models import Card, write_card
from sixfold.inference.trees import matrix
from sixfold.training.lists import lists_of
from sixfold.training.loop import Curve, Progress

__all__ = ["train_trees"]

_PATIENCE = 50
_LONGEST_LIST = 10_000
"""LightGBM takes no longer ones."""


def train_trees(
    model: Trees,
    examples: pa.Table,
    names: Sequence[str],
    kinds: dict[str, Kind],
    folder: Path,
    *,
    hashed: Mapping[str, int] | None = None,
    seed: int,
    progress: Callable[[Progress], None],
) -> dict[str, Curve]:
    """Fit on the training part, stop on validation, write one file a head and `model.json`.

    A flag is learned by log loss, a number by absolute error (the median), the order of lists by LambdaMART.
    `examples` as for `train_network`.
    """
    part = np.asarray(examples["part"].to_pylist(), object)
    encoder = fit_encoder(examples.filter(pa.array(part == "train")), kinds, names, hashed=hashed)
    rows = matrix(encoder, encoder.encode_table(examples))
    folder.mkdir(parents=True, exist_ok=True)
    curves = {}
    for head in model.heads:
        name = head.label.name
        y = label_column(head, examples, seed)
        train, held = (np.flatnonzero((part == one) & ~np.isnan(y)) for one in ("train", "validation"))
        sets = [_dataset(head, rows, y, examples, own) for own in (train, held)]
        told = _Reporter(f"{model.name}.{name}", model.rounds, progress)
        curves[name] = _boost(model, head, sets[0], sets[1], folder / f"{name}.txt", told, seed)
    write_card(folder, Card("trees", tuple(head.label.name for head in model.heads), {"inputs": encoder}))
    return curves


def label_column(head: Head, examples: pa.Table, seed: int) -> NDArray[np.float64]:
    """A head's label; NaN where it takes no part: where it is null, or a negative that is not drawn."""
    y = np.asarray(examples[f"label.{head.label.name}"].to_numpy(zero_copy_only=False), np.float64)
    if isinstance(head, Binary) and head.negatives < 1:
        y = np.where((y == 0) & (np.random.default_rng(seed).random(len(y)) >= head.negatives), np.nan, y)
    return y


def _dataset(
    head: Head, rows: NDArray[np.float32], y: NDArray[np.float64], examples: pa.Table, own: NDArray[np.int64]
) -> Any:
    """What LightGBM learns from these rows, in their order."""
    import lightgbm

    found = lists_of(examples) if LIST in examples.column_names else None
    if found is not None and isinstance(head, Order):
        own = own[found.take(own).at_most(_LONGEST_LIST)]
    data = lightgbm.Dataset(rows[own], y[own], params={"verbose": -1})
    if found is not None:
        found = found.take(own)
        if isinstance(head, Order):
            data.set_group(found.sizes)
        elif isinstance(head, Binary):
            data.set_init_score(found.lift_B)
    return data


def _boost(model: Trees, head: Head, train: Any, held: Any, path: Path, told: "_Reporter", seed: int) -> Curve:
    """Boost until validation has not improved for `_PATIENCE` rounds."""
    import lightgbm

    held.set_reference(train)
    record: dict[str, dict[str, list[float]]] = {}
    own = {"objective": "lambdarank", "metric": "ndcg", "eval_at": [10], "lambdarank_truncation_level": 20}
    loss = {"objective": "binary" if isinstance(head, Binary) else "regression_l1"}
    booster = lightgbm.train(
        {
            **(own if isinstance(head, Order) else loss),
            "num_leaves": model.num_leaves,
            "learning_rate": model.learning_rate,
            "seed": seed,
            "deterministic": True,
            "force_row_wise": True,
            "verbose": -1,
        },
        train,
        model.rounds,
        valid_sets=[train, held],
        valid_names=["training", "validation"],
        callbacks=[lightgbm.early_stopping(_PATIENCE, verbose=False), lightgbm.record_evaluation(record), told],
    )
    booster.save_model(str(path), num_iteration=booster.best_iteration)
    by_set = {name: tuple(map(float, next(iter(values.values())))) for name, values in record.items()}
    return Curve(by_set["training"], by_set["validation"], booster.best_iteration)


class _Reporter:
    """Tells the progress after each round, as LightGBM's callbacks are called."""

    order = 99

    def __init__(self, name: str, rounds: int, progress: Callable[[Progress], None]) -> None:
        self._name, self._rounds, self._progress = name, rounds, progress

    def __call__(self, env: Any) -> None:
        done, losses = env.iteration + 1, env.evaluation_result_list
        self._progress(Progress(self._name, 1, 1, done / self._rounds, float(losses[-1][2])))
