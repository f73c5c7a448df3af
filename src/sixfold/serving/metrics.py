"""What a server counts and times, in Prometheus' format."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

__all__ = ["Metrics"]

_BUCKETS_S = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.25, 1.0, 5.0)


class Metrics:
    """The metrics of one server.

    Args:
        lag_s: Gives for how long the stream worker has been behind the log.
    """

    def __init__(self, lag_s: Callable[[], float]) -> None:
        self._registry = CollectorRegistry()
        own = self._registry
        self.requests = Counter("sixfold_requests", "Requests answered.", ["path", "status"], registry=own)
        self.stages = Histogram(
            "sixfold_stage_seconds", "Time of each stage of an answer.", ["stage"], buckets=_BUCKETS_S, registry=own
        )
        self.batches = Histogram(
            "sixfold_predict_batch_requests",
            "Requests of each batch of predictions.",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
            registry=own,
        )
        self.events = Counter(
            "sixfold_events", "Posted rows by what became of them.", ["stream", "result"], registry=own
        )
        self.unlogged = Counter("sixfold_unlogged_answers", "Answers that the event log could not take.", registry=own)
        lag = Gauge("sixfold_worker_lag_seconds", "How long the stream worker has been behind the log.", registry=own)
        lag.set_function(lag_s)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.stages.labels(name).observe(time.perf_counter() - started)

    def text(self) -> bytes:
        """All of them, as a scrape reads them."""
        return generate_latest(self._registry)
