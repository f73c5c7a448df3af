"""Continual training, tried on the past: learn what is known by each hour, score the hour that follows.

Prequential evaluation (Dawid, JRSS A 1984). Four ways to go through the same rows:

- `frozen`: the trained model, never touched again;
- `warm`: every hour on from the last weights, with the rows whose label is known by then; new texts get codes;
- `early`: as `warm`, but with rows whose time to wait has not passed. Of those that showed no outcome yet nobody knows,
  so an outcome that did come counts `1 / F(elapsed)` times, where F is the share of outcomes that come by then: the
  expected loss is then that of the complete labels (inverse propensity; Yasui et al., WWW 2020);
- `scratch`: trained anew at the start and in the middle, with all that is known by then.
"""
# R = rows of the test part

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import nn

from sixfold.design.kinds import Kind
from sixfold.design.models import Network
from sixfold.inference.encoding import Encoder, counts, extended
from sixfold.inference.models import load, read_card, read_inputs
from sixfold.inference.vocabularies import UNKNOWN
from sixfold.models.network import MultiTaskNetwork
from sixfold.training.encoders import Sources
from sixfold.training.learner import AnyNetwork, Learner, draw_negatives, label_columns, make_network
from sixfold.training.loop import Progress, device, parameter_groups
from sixfold.training.network import train_network, weights_of
from sixfold.training.rows import encoded

__all__ = ["Rounds", "Setting", "prequential"]

_ANEW = 2
"""How often the test part is trained on from scratch."""
_SLOWER = 0.2
"""Of the learning rate: what was learned is not to be lost to the last hour."""
_SURE = 0.5
"""A row waits for the next round where fewer of the outcomes would have come by now: its weight would be too large."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Rounds:
    """What each way said."""

    starts_us: Ints
    """When each round begins."""
    scores: dict[str, Floats]
    """By way, the probability of each row of the test part, shape (R,)."""
    grown: int
    """How many texts got a code on the way."""


@dataclass(frozen=True)
class Setting:
    """What is gone through.

    Args of the model as for `train_network`.
    """

    model: Network
    names: Sequence[str]
    kinds: dict[str, Kind]
    hashed: Mapping[str, int]
    trees: Mapping[str, Path]
    folder: Path
    """Of the exported model."""
    head: int
    """Which of the model's heads is scored: a probability."""
    within_us: int
    seed: int
    sources: Sources = field(default_factory=Sources)
    places: Sequence[tuple[str, str]] = ()


def prequential(setting: Setting, examples: pa.Table, every_us: int, progress: Callable[[Progress], None]) -> Rounds:
    """Go through the test part in rounds of `every_us`.

    Args:
        examples: All parts, by time: what `train_network` reads, `time`, `known.NAME` (from when a label may be used),
            and `delay.NAME` where outcomes have times.
    """
    torch.manual_seed(setting.seed)
    part = np.asarray(examples["part"].fill_null("").to_pylist(), object)
    time_us = np.asarray(examples["time"], np.int64)
    test = np.flatnonzero(part == "test")
    first, last = int(time_us[test[0]]), int(time_us[test[-1]])
    starts = np.arange(first, last + 1, every_us)
    rows = examples.take(pa.array(test))
    known_us = np.asarray(examples[f"known.{_label(setting)}"], np.int64)
    ways: dict[str, _Warm] = {"warm": _Warm(setting, examples, part)}
    if _tells_delays(setting, examples, part):
        ways["early"] = _Early(setting, examples, part)
    scores = {name: np.full(len(test), np.nan) for name in ("frozen", *ways, "scratch")}
    frozen = _Warm(setting, examples, part)
    anew = set(np.linspace(0, len(starts), _ANEW + 1).astype(int)[:-1].tolist())
    own_us = time_us[test]
    scratch = None
    for at, start in enumerate(starts.tolist()):
        a, b = np.searchsorted(own_us, [start, start + every_us])
        here = rows.slice(a, b - a)
        if at in anew:
            scratch = _trained_anew(setting, examples, np.flatnonzero(known_us <= start), progress)
        for name, way in ways.items():
            way.learn_until(start)
            scores[name][a:b] = way.score(here)
        scores["frozen"][a:b] = frozen.score(here)
        assert scratch is not None, "the first round is one of those"
        scores["scratch"][a:b] = scratch(here)
        progress(Progress(f"{setting.model.name} hour by hour", at + 1, len(starts), (at + 1) / len(starts), 0.0))
    return Rounds(starts, scores, ways["warm"].grown)


class _Warm:
    """A network that learns on, row by row of time."""

    def __init__(self, setting: Setting, examples: pa.Table, part: NDArray[np.object_]) -> None:
        card = read_card(setting.folder)
        self._setting, self._examples = setting, examples
        self._inputs = read_inputs(setting.folder, card, threads=2, kept=setting.sources.kept)
        self._network: AnyNetwork = make_network(setting.model, self._encoder, sources=setting.sources).to(device())
        self._network.load_state_dict(torch.load(weights_of(setting.folder), weights_only=True))
        self._network.eval()
        self._time_us = np.asarray(examples["time"], np.int64)
        self._known_us = np.asarray(examples[f"known.{_label(setting)}"], np.int64)
        self._left = part != "train"
        """Rows that it has not learned from."""
        self._seen = counts(examples.filter(pa.array(part == "train")), self._encoder)
        self._draws = torch.Generator().manual_seed(setting.seed)
        self.grown = 0

    @property
    def _encoder(self) -> Encoder:
        return self._inputs.encoder

    def learn_until(self, now_us: int) -> None:
        """Learn once from every row that can be learned from by now and was not yet."""
        ready = self._left & self._ready(now_us)
        if not ready.any():
            return
        self._left &= ~ready
        rows = self._examples.filter(pa.array(ready))
        self._grow(rows)
        model = self._setting.model
        targets = draw_negatives(model.heads, self._targets(rows, now_us), self._setting.seed + len(rows))
        learner = Learner(model, self._network, encoded(self._inputs, rows), targets)
        labelled = learner.labelled(np.arange(len(rows)))
        if not len(labelled):
            return
        rate = model.training.learning_rate * _SLOWER
        own = parameter_groups(self._network, replace(model.training, weight_decay=0.0), decay_embeddings=False)
        optimizer = torch.optim.AdamW([{**group, "lr": rate * group["pace"]} for group in own], fused=True)
        self._network.train()
        torch.set_num_threads(1)
        order = labelled[torch.randperm(len(labelled), generator=self._draws).to(device())]
        for batch in torch.split(order, model.training.batch_size):
            loss = learner.loss(batch)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        self._network.eval()

    def score(self, rows: pa.Table) -> Floats:
        """The probability that the head gives each row."""
        arrays = encoded(self._inputs, rows)
        learner = Learner(self._setting.model, self._network, arrays, [torch.zeros(len(rows))])
        logit = learner.outputs(self._setting.head)
        share = self._setting.model.heads[self._setting.head].negatives  # type: ignore[union-attr]  # it is a Binary
        return np.asarray(1 / (1 + np.exp(-(logit + np.log(share)))), np.float64)

    def _ready(self, now_us: int) -> NDArray[np.bool_]:
        return np.asarray(self._known_us <= now_us)

    def _targets(self, rows: pa.Table, now_us: int) -> list[torch.Tensor]:
        return label_columns(self._setting.model.heads, rows)

    def _grow(self, rows: pa.Table) -> None:
        """Give a code to each text that has been seen often enough by now; it begins as the unknown was."""
        new: dict[str, list[str]] = {}
        for name, found in counts(rows, self._encoder).items():
            own, known = self._seen.setdefault(name, {}), self._encoder.vocabularies[name].codes
            for text, n in found.items():
                own[text] = own.get(text, 0) + n
                if own[text] >= self._setting.model.min_count and text not in known:
                    new.setdefault(name, []).append(text)
        if not new:
            return
        self.grown += sum(map(len, new.values()))
        old, more_texts = self._network, {name: sorted(own) for name, own in new.items()}
        self._inputs = replace(self._inputs, encoder=extended(self._encoder, more_texts))
        widths = old.widths if isinstance(old, MultiTaskNetwork) else None
        grown = make_network(self._setting.model, self._encoder, widths, sources=self._setting.sources).to(device())
        state = dict(old.state_dict())
        for name, table in grown.named_modules():
            if isinstance(table, nn.Embedding) and table.num_embeddings > len(weights := state[f"{name}.weight"]):
                more = table.num_embeddings - len(weights)
                state[f"{name}.weight"] = torch.cat([weights, weights[UNKNOWN].expand(more, -1)])
        grown.load_state_dict(state)
        self._network = grown


class _Early(_Warm):
    """One that does not wait where enough of the outcomes would have come."""

    def __init__(self, setting: Setting, examples: pa.Table, part: NDArray[np.object_]) -> None:
        super().__init__(setting, examples, part)
        self._delay_us = np.asarray(examples[f"delay.{_label(setting)}"].to_numpy(zero_copy_only=False), float) * 1e6
        came = self._delay_us[(part == "train") & (self._delay_us <= setting.within_us)]
        self._came_us = np.sort(came)

    def _share(self, elapsed_us: Floats) -> Floats:
        """F: the share of outcomes that have come so long after their example."""
        found = np.searchsorted(self._came_us, elapsed_us, side="right") / len(self._came_us)
        return np.where(elapsed_us >= self._setting.within_us, 1.0, found)

    def _ready(self, now_us: int) -> NDArray[np.bool_]:
        elapsed_us = (now_us - self._time_us).astype(float)
        return np.asarray((elapsed_us > 0) & (self._share(elapsed_us) >= _SURE))

    def _targets(self, rows: pa.Table, now_us: int) -> list[torch.Tensor]:
        targets = super()._targets(rows, now_us)
        elapsed_us = now_us - np.asarray(rows["time"], np.int64).astype(float)
        delay_us = np.asarray(rows[f"delay.{_label(self._setting)}"].to_numpy(zero_copy_only=False), float) * 1e6
        early = elapsed_us < self._setting.within_us
        so_far = np.where(delay_us <= elapsed_us, 1 / np.maximum(self._share(elapsed_us), _SURE), 0.0)
        own = targets[self._setting.head].cpu().numpy()
        # A row whose label is never known (the end of the data) stays one.
        value = np.where(early & ~np.isnan(own), so_far, own)
        # What other heads say of an outcome that is not complete, nobody can tell.
        waiting = torch.from_numpy(early)
        others = [torch.where(waiting, torch.nan, one.cpu()).to(device()) for one in targets]
        others[self._setting.head] = torch.from_numpy(value.astype(np.float32)).to(device())
        return others


def _trained_anew(
    setting: Setting, examples: pa.Table, rows: Ints, progress: Callable[[Progress], None]
) -> Callable[[pa.Table], Floats]:
    """A model trained from scratch on these rows, of which the last tenth says when to stop."""
    cut = len(rows) - len(rows) // 10
    part = pa.array(np.where(np.arange(len(rows)) < cut, "train", "validation"))
    own = examples.take(pa.array(rows))
    own = own.set_column(own.column_names.index("part"), "part", part)
    model = replace(setting.model, name=f"{setting.model.name} from scratch")
    with tempfile.TemporaryDirectory() as folder:
        to = Path(folder) / setting.model.name
        train_network(
            model, own, setting.names, setting.kinds, to, hashed=setting.hashed, trees=setting.trees,
            places=setting.places, sources=setting.sources, seed=setting.seed, progress=progress,
        )  # fmt: skip
        scorer = load(to, threads=2, kept=setting.sources.kept)
    share = setting.model.heads[setting.head].negatives  # type: ignore[union-attr]  # it is a Binary

    def score(table: pa.Table) -> Floats:
        p = scorer.score_table(table)[_label(setting)]  # type: ignore[union-attr]  # a network
        return np.asarray(p * share / (p * share + 1 - p), np.float64)

    return score


def _tells_delays(setting: Setting, examples: pa.Table, part: NDArray[np.object_]) -> bool:
    """Whether the training part says of any outcome when it came."""
    name = f"delay.{_label(setting)}"
    return name in examples.column_names and examples[name].filter(pa.array(part == "train")).null_count < sum(
        part == "train"
    )


def _label(setting: Setting) -> str:
    return setting.model.heads[setting.head].label.name
