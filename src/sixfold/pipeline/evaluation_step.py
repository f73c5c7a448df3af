"""The evaluation step: metrics of models and baselines with intervals, gates."""
# N = test examples

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sixfold.design.heads import AnyOf, Binary, OneOf
from sixfold.design.metrics import CHAMPION, METRICS, PREVALENCE, Metric
from sixfold.design.models import ItemNeighbours, Model, Network, Rule, Trees, TwoTower
from sixfold.design.system import System
from sixfold.errors import ChampionDiffers
from sixfold.evaluation.bootstrap import Measured, measure
from sixfold.evaluation.class_metrics import class_statistic
from sixfold.evaluation.gates import GateResult, decide
from sixfold.evaluation.lists import list_statistic
from sixfold.evaluation.reliability import Reliability, reliability
from sixfold.evaluation.score_metrics import score_statistic
from sixfold.evaluation.statistic import Statistic, Undefined
from sixfold.inference.models import Towers
from sixfold.inference.models import load as load_model
from sixfold.inference.policy import of_scores
from sixfold.pipeline.example_lists import ExampleLists
from sixfold.pipeline.job import Job
from sixfold.pipeline.labelled import classes_of, label_of, within
from sixfold.pipeline.lists import AskedLists
from sixfold.registry import Release

__all__ = ["Evaluated", "deployed", "evaluate_step", "read_evaluated"]


class Evaluated(msgspec.Struct, frozen=True):
    """What evaluation found; metrics by canonical text."""

    metrics: dict[str, Measured]
    baselines: dict[str, Measured]
    gates: list[GateResult]
    queries: int
    """Lists asked in the test part."""
    examples: int
    """Examples of the test part."""
    reliability: dict[str, Reliability] = {}
    """By head of the model that Deployment predicts with, of those that are probabilities."""


def deployed(job: Job) -> list[Model]:
    """The models that answers are made of: what `predict` names, then the sources of candidates."""
    d = job.system.deployment
    return [d.predict, *(top.model for top in d.candidates)]


def evaluate_step(job: Job) -> None:
    """Measure every metric for what ships and for every other model that has it, decide the gates: `evaluated.json`."""
    system, meter = job.system, _Meter(job)
    metrics = {metric: measure(meter.statistic(metric), seed=job.seed) for metric in system.metrics}
    baselines: dict[Metric, Measured] = {}
    for model in system.models.values():
        for metric in system.metrics:
            own = replace(metric, model=model.name)
            if metric.model is None and model is not meter.model_of(metric) and _has(system, model, metric):
                baselines[own] = measure(meter.statistic(own), seed=job.seed)
    gates = decide(system.gates, meter.statistic, champion=job.releases.current() is not None, seed=job.seed)
    evaluated = Evaluated(
        {str(m): value for m, value in metrics.items()},
        {str(m): value for m, value in baselines.items()},
        list(gates),
        meter.n_queries,
        len(meter.examples),
        meter.reliability(),
    )
    (job.folder("evaluate") / "evaluated.json").write_bytes(msgspec.json.encode(evaluated))


def read_evaluated(job: Job) -> Evaluated:
    """What the evaluation step wrote."""
    text = (job.folder("evaluate") / "evaluated.json").read_bytes()
    return msgspec.json.decode(text.replace(b":null", b':"nan"'), type=Evaluated, strict=False)


def _has(system: System, model: Model, metric: Metric) -> bool:
    """Whether the model can be measured by this metric."""
    if metric.name == PREVALENCE:
        return False
    if METRICS[metric.name].source == "lists":
        return system.negatives is not None or isinstance(model, TwoTower | Rule | ItemNeighbours)
    if not isinstance(model, Network | Trees):
        return False
    own = {name for head in model.heads for name in system.outputs(head.label.name)}
    expression = system.measured.get(str(metric.of))
    return (expression.names if expression else set(system.outputs(str(metric.of)))) <= own


@dataclass(frozen=True)
class _Meter:
    """Statistics of metrics on the test part; each model scores it once."""

    job: Job

    @cached_property
    def examples(self) -> pa.Table:
        table = pq.read_table(self.job.folder("examples") / "examples.parquet")
        return table.filter(pc.equal(table["part"], "test"))

    @cached_property
    def users(self) -> NDArray[Any]:
        # In the order of the keys, as the keys themselves would be; numbers sort in a fraction of the time.
        encoded = self.examples[self.job.system.query].combine_chunks().dictionary_encode()
        rank = np.argsort(np.argsort(np.asarray(encoded.dictionary.to_pylist(), str)))
        return np.asarray(rank[np.asarray(encoded.indices)], np.int64)

    @cached_property
    def _champion(self) -> Release:
        return self.job.releases.open(str(self.job.releases.current()))

    @cached_property
    def _cache(self) -> dict[str, Any]:
        return {}

    @cached_property
    def lists(self) -> ExampleLists | None:
        """The lists that come with the examples, where the framing makes them."""
        return None if self.job.system.negatives is None else ExampleLists(self.job, self.examples)

    @property
    def n_queries(self) -> int:
        if self.lists is not None:
            return int(self.lists.own.sum())
        asked = [one for one in self._cache.values() if isinstance(one, AskedLists)]
        return len(asked[0].queries) if asked else 0

    def statistic(self, metric: Metric) -> Statistic:
        """The statistic of a metric, `champion.` ones too."""
        among = self._among(metric.slice) if METRICS[metric.name].source == "scores" else None
        if metric.name == PREVALENCE:
            label = self._value(str(metric.of), self._classes)[among]
            return score_statistic(metric.name, label, label, self.users[among])
        model = self.model_of(metric)
        if model is None:
            return Undefined(f"no deployed model has {metric.name}")
        if METRICS[metric.name].source == "lists":
            return self._list_statistic(metric, model)
        scores = self._scores(model, champion=metric.model == CHAMPION)
        of = str(metric.of)
        if (group := self.job.system.label_groups.get(of)) is None:
            score, label = self._value(of, scores), self._value(of, self._classes)
            return score_statistic(metric.name, score[among], label[among], self.users[among])
        scores_NC, labels_NC = (np.stack([x[name] for name in group.outputs], 1) for x in (scores, self._classes))
        return class_statistic(
            metric.name, scores_NC[among], labels_NC[among], self.users[among], exclusive=group.exclusive
        )

    def reliability(self) -> dict[str, Reliability]:
        """Each probability of the model that predicts, beside what came of it."""
        predict = self.job.system.deployment.predict
        probabilities = [head.label.name for head in predict.heads if isinstance(head, Binary | OneOf | AnyOf)]
        heads = [name for label in probabilities for name in self.job.system.outputs(label)]
        slices = {name: self._among(name) for name in self.job.system.slices}
        scores = self._scores(predict, champion=False) if heads else {}
        found = {name: reliability(scores[name], self._labels(name), self.users, slices) for name in heads}
        return {name: one for name, one in found.items() if one is not None}

    def _value(self, of: str, values: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """What a metric is of: an expression over scores, or over labels."""
        return of_scores(self.job.system.measured[of], values, len(self.examples))

    @cached_property
    def _classes(self) -> Mapping[str, NDArray[np.float64]]:
        """Every label; of votes the majority."""
        return classes_of(self.job.system, self.examples)

    def _labels(self, name: str) -> NDArray[np.float64]:
        return label_of(self.examples, name)

    def model_of(self, metric: Metric) -> Model | None:
        """The model that a metric is of; where it names none, the first that ships and has it."""
        if metric.model is not None and metric.model != CHAMPION:
            return self.job.system.models[metric.model]
        return next((model for model in deployed(self.job) if _has(self.job.system, model, metric)), None)

    def _among(self, name: str | None) -> NDArray[np.bool_]:
        return within(self.job.system, self.examples, name)

    def _scores(self, model: Model, *, champion: bool) -> Mapping[str, NDArray[np.float64]]:
        name = f"{CHAMPION}.{model.name}" if champion else model.name
        if name not in self._cache:
            if champion:
                release = self._champion
                scorer = release.model(release.system.deployment.predict.name, threads=2)
            else:
                scorer = load_model(
                    self.job.folder(f"train-{model.name}") / model.name, threads=2, kept=self.job.folder("encoders")
                )
            assert not isinstance(scorer, Towers)
            missing = scorer.names - set(self.examples.column_names)
            if missing:
                raise ChampionDiffers(names=sorted(missing))
            self._cache[name] = scorer.score_table(self.examples)
        return self._cache[name]  # type: ignore[no-any-return]

    def _list_statistic(self, metric: Metric, model: Model) -> Statistic:
        if self.lists is not None:
            return self._listed(metric, model, self.lists)
        positives = getattr(model, "positives", None)
        labels = [m.positives.name for m in self.job.system.models.values() if isinstance(m, TwoTower | ItemNeighbours)]
        label = positives.name if positives is not None else next(iter(labels), next(iter(self.job.system.labels)))
        asked: AskedLists = self._cache.setdefault(f"lists of {label}", AskedLists(self.job, label))
        key = f"ranks of {model.name}"
        if key not in self._cache:
            self._cache[key] = asked.ranks(model)
        among = None if metric.slice is None else asked.among(self.job.system.slices[metric.slice])
        return list_statistic(metric.name, metric.k, self._cache[key], asked.users, among_Q=among)

    def _listed(self, metric: Metric, model: Model, lists: ExampleLists) -> Statistic:
        """A metric of the lists that come with the examples."""
        champion = metric.model == CHAMPION
        key = f"ranks of {CHAMPION if champion else model.name}"
        if key not in self._cache:
            if isinstance(model, Network | Trees):
                system = self._champion.system if champion else self.job.system
                scores = lists.ordered(self._scores(model, champion=champion), system)
            else:
                assert isinstance(model, Rule | TwoTower | ItemNeighbours), "there are no other models"
                scores = lists.scores(model)
            self._cache[key] = lists.ranks(scores)
        among_Q = self._among(metric.slice)[lists.own]
        return list_statistic(metric.name, metric.k, self._cache[key], self.users[lists.own], among_Q=among_Q)
