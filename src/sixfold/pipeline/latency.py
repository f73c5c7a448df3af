"""How long answers of a new release take, measured in this process before anyone is served."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from rich.table import Table

from sixfold.design.requirements import Requirements
from sixfold.features.arrays import column
from sixfold.pipeline.job import Job
from sixfold.registry import Release
from sixfold.serving.answer import Question
from sixfold.serving.clock import Clock
from sixfold.serving.history import newest_us
from sixfold.serving.live import Live
from sixfold.serving.predicting import predict
from sixfold.serving.requests import Rows

__all__ = ["Latency", "measure_latency"]

_WARM_UP, _ANSWERS, _K = 20, 200, 20


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds of an answer in this process, HTTP not included."""

    p50_ms: float
    p99_ms: float
    answers: int

    def table(self, required: Requirements) -> Table:
        """The requirements beside what was measured."""
        table = Table("Requirement", "required", "measured", title="Required and measured", title_justify="left")
        for name in ("users", "items", "peak_rps", "p99_ms", "freshness_s", "availability"):
            if (value := getattr(required, name)) is not None:
                said = f"{self.p99_ms:.1f} (p50 {self.p50_ms:.1f}), {self.answers} answers in process, one at a time"
                table.add_row(name, f"{value:,}", said if name == "p99_ms" else "not measured by a run")
        return table


def measure_latency(job: Job, release: Release) -> Latency | None:
    """Answer for the latest queries of the examples at the data's end, or predict the latest rows, one at a time.

    Returns:
        None where there are no events.
    """
    system = release.system
    end_us = newest_us(system, job.workdir)
    if end_us is None:
        return None
    asked = [system.query, *(name for name in system.context if name != system.query)]
    rows = pq.read_table(job.folder("examples") / "examples.parquet", columns=asked)
    latest = list({row[system.query]: row for row in rows.slice(max(0, len(rows) - 2000)).to_pylist()}.values())[::-1]
    log = job.open_log()
    try:
        live = Live(job.workdir, release, log, Clock(end_us + 1))
        try:
            return _measure(live, [latest[at % len(latest)] for at in range(_WARM_UP + _ANSWERS)], end_us + 1)
        finally:
            live.close()
    finally:
        log.close()


def _measure(live: Live, rows: list[dict[str, Any]], now_us: int) -> Latency:
    took_ms = []
    for at, row in enumerate(rows):
        columns = {name: column(live.system.kinds[name], [row[name]]) for name in row}
        started = time.perf_counter()
        if live.answerer is None:
            predict(Rows(columns, 1, now_us), live)
        else:
            key, context = row[live.system.query], {name: columns[name] for name in live.system.context}
            live.answerer.answer(Question(f"latency-{at}", key, _K, now_us, context))
        took_ms.append((time.perf_counter() - started) * 1000)
    p50, p99 = np.percentile(took_ms[_WARM_UP:], [50, 99])
    return Latency(float(p50), float(p99), _ANSWERS)
