"""Examples a second that a cross network (DCN-V2) trains on, beside a plain PyTorch loop over a DataLoader of rows.

    python benchmarks/training.py [--quick] [--json] [--rows N]

Both train the same network with the same optimizer in batches of 1,024, on the same rows of 10 numbers and 15
categories. The plain loop is what tutorials show: a Dataset that gives one row, `default_collate`, no worker processes.
A row is a dict of its columns, or, prepared beforehand, one vector of numbers and one of codes.
"""

import argparse
import json
import time

import numpy as np
import pyarrow as pa
import torch
from torch.utils.data import DataLoader, Dataset

import sixfold as sf
from sixfold.design.kinds import NUMBER, Kind
from sixfold.inference.encoding import fit as fit_encoder
from sixfold.inference.inputs import Inputs
from sixfold.training.learner import Learner, label_columns, make_network
from sixfold.training.loop import fit
from sixfold.training.rows import encoded

NUMBERS, BATCH = 10, 1024
VALUES = (3, 4, 5, 7, 24, 24, 40, 50, 72, 72, 100, 250, 500, 1000, 2500)
"""How many values each category has."""
KINDS = {f"x{i}": NUMBER for i in range(NUMBERS)} | {f"c{i}": Kind("text", domain=f"c{i}") for i in range(len(VALUES))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rows")
    parser.add_argument("--json", action="store_true", help="one object a line; without, a line of words each")
    parser.add_argument("--rows", type=int, default=500_000)
    given = parser.parse_args()
    rows = 100_000 if given.quick else given.rows
    table = _table(rows)
    head = sf.Binary(sf.Label("click", "click"))
    training = sf.Training(epochs=1, batch_size=BATCH)
    model = sf.Network("dcn", inputs=["x0"], body=sf.Cross(3), heads=[head], training=training)  # type: ignore[list-item]
    ours = _sixfold(model, table)
    for case, columns in (("rows of columns", True), ("rows of two vectors", False)):
        theirs = _dataloader(model, table.slice(0, rows // 10), columns=columns)
        said = {
            "benchmark": "training",
            "case": f"cross network, {rows:,} rows, encoding included; beside {case}",
            "value": round(ours),
            "unit": "examples/s",
            "against": round(theirs),
            "ratio": round(ours / theirs, 2),
        }
        words = f"{said['case']}: {ours:,.0f} examples/s against {theirs:,.0f}; {ours / theirs:.1f} times"
        print(json.dumps(said) if given.json else words, flush=True)


def _table(rows: int) -> pa.Table:
    rng = np.random.default_rng(0)
    names = pa.array([f"value {i}" for i in range(max(VALUES))])
    columns = {f"x{i}": pa.array(rng.normal(size=rows)) for i in range(NUMBERS)}
    columns |= {f"c{i}": names.take(pa.array(rng.zipf(1.5, rows) % n)) for i, n in enumerate(VALUES)}
    return pa.table({**columns, "label.click": (rng.random(rows) < 0.07).astype(float)})


def _sixfold(model: sf.Network, table: pa.Table) -> float:
    started = time.perf_counter()
    encoder = fit_encoder(table, KINDS, list(KINDS), min_count=5)
    network = make_network(model, encoder)
    learner = Learner(model, network, encoded(Inputs(encoder), table), label_columns(model.heads, table))
    rows = learner.labelled(np.arange(len(table)))
    fit(
        "dcn",
        network,
        model.training,
        batches=lambda draws: torch.split(rows[torch.randperm(len(rows), generator=draws)], BATCH),
        loss=learner.loss,
        validate=lambda: 0.0,
        decay_embeddings=False,
        seed=0,
        progress=lambda told: None,
    )
    return len(table) / (time.perf_counter() - started)


Row = tuple[dict[str, torch.Tensor], torch.Tensor]


class _Rows(Dataset[Row]):
    """One row at a time: a dict of tensors and the label."""

    def __init__(self, arrays: dict[str, torch.Tensor], label: torch.Tensor) -> None:
        self._arrays, self._label = arrays, label

    def __len__(self) -> int:
        return len(self._label)

    def __getitem__(self, at: int) -> Row:
        return {name: array[at] for name, array in self._arrays.items()}, self._label[at]


def _dataloader(model: sf.Network, table: pa.Table, *, columns: bool) -> float:
    encoder = fit_encoder(table, KINDS, list(KINDS), min_count=5)
    whole = {name: torch.from_numpy(array) for name, array in encoder.encode_table(table).items()}
    single = {f"{name} {i}": array[:, i] for name, array in whole.items() for i in range(array.shape[1])}
    rows = _Rows(single if columns else whole, torch.from_numpy(np.asarray(table["label.click"], np.float32)))
    network = make_network(model, encoder)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.002)
    torch.set_num_threads(2)
    network.train()
    started = time.perf_counter()
    for batch, label in DataLoader(rows, batch_size=BATCH, shuffle=True):
        arrays = batch
        if columns:
            arrays = {n: torch.stack([batch[f"{n} {i}"] for i in range(a.shape[1])], 1) for n, a in whole.items()}
        loss = torch.nn.functional.binary_cross_entropy_with_logits(network(arrays)[0], label)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return len(table) / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
