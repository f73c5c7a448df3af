"""Training gradient-boosted trees (LightGBM: Ke et al., NeurIPS 2017), one ensemble a head."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sixfold.design.heads import Binary
from sixfold.design.kinds import Kind
from sixfold.design.models import Trees
from sixfold.inference.encoding import fit as fit_encoder
from sixfold.inference.models import Card, write_card
from sixfold.inference.trees import matrix
from sixfold.training.loop import Curve, Progress

__all__ = ["train_trees"]

_PATIENCE = 50


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

    A flag is learned by log loss, a number by absolute error (the median). `examples` as for `train_network`.
    """
    import lightgbm

    part = np.asarray(examples["part"].to_pylist(), object)
    encoder = fit_encoder(examples.filter(pa.array(part == "train")), kinds, names, hashed=hashed)
    rows = matrix(encoder, encoder.encode_table(examples))
    folder.mkdir(parents=True, exist_ok=True)
    curves = {}
    for head in model.heads:
        name = head.label.name
        y = np.asarray(examples[f"label.{name}"].to_numpy(zero_copy_only=False), np.float64)
        if isinstance(head, Binary) and head.negatives < 1:
            y = np.where((y == 0) & (np.random.default_rng(seed).random(len(y)) >= head.negatives), np.nan, y)
        train, held = ((part == one) & ~np.isnan(y) for one in ("train", "validation"))
        objective = "binary" if isinstance(head, Binary) else "regression_l1"
        data = lightgbm.Dataset(rows[train], y[train], params={"verbose": -1})
        record: dict[str, dict[str, list[float]]] = {}
        booster = lightgbm.train(
            {
                "objective": objective,
                "num_leaves": model.num_leaves,
                "learning_rate": model.learning_rate,
                "seed": seed,
                "deterministic": True,
                "force_row_wise": True,
                "verbose": -1,
            },
            data,
            model.rounds,
            valid_sets=[data, lightgbm.Dataset(rows[held], y[held], reference=data)],
            valid_names=["training", "validation"],
            callbacks=[
                lightgbm.early_stopping(_PATIENCE, verbose=False),
                lightgbm.record_evaluation(record),
                _Reporter(f"{model.name}.{name}", model.rounds, progress),
            ],
        )
        booster.save_model(str(folder / f"{name}.txt"), num_iteration=booster.best_iteration)
        by_set = {part_name: tuple(map(float, next(iter(values.values())))) for part_name, values in record.items()}
        curves[name] = Curve(by_set["training"], by_set["validation"], booster.best_iteration)
    write_card(folder, Card("trees", tuple(head.label.name for head in model.heads), {"inputs": encoder}))
    return curves


class _Reporter:
    """Tells the progress after each round, as LightGBM's callbacks are called."""

    order = 99

    def __init__(self, name: str, rounds: int, progress: Callable[[Progress], None]) -> None:
        self._name, self._rounds, self._progress = name, rounds, progress

    def __call__(self, env: Any) -> None:
        done, losses = env.iteration + 1, env.evaluation_result_list
        self._progress(Progress(self._name, 1, 1, done / self._rounds, float(losses[-1][2])))
