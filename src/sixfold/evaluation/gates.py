"""Gates: whether a release is good enough to be made."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from sixfold.design.metrics import CHAMPION, METRICS, Gate, Metric
from sixfold.evaluation.bootstrap import Measured, difference, measure
from sixfold.evaluation.statistic import Statistic

__all__ = ["GateResult", "decide"]


@dataclass(frozen=True, slots=True)
class GateResult:
    """How a gate was decided."""

    gate: str
    """As the design writes it."""
    passed: bool
    values: Mapping[str, Measured]
    """Each metric of the gate under its canonical text; `difference` for `beats`."""
    note: str
    """Why it failed, or why it passed without a comparison; empty otherwise."""


def decide(
    gates: Iterable[Gate], statistic: Callable[[Metric], Statistic], *, champion: bool, seed: int = 0
) -> tuple[GateResult, ...]:
    """Decide each gate.

    Args:
        gates: The design's gates.
        statistic: The statistic of a metric on the test part; asked for `champion.` metrics only where there is one.
        champion: Whether a release is serving now; a gate against it passes where there is none.
        seed: Of the intervals.
    """
    return tuple(_decide(gate, statistic, champion, seed) for gate in gates)


def _decide(gate: Gate, statistic: Callable[[Metric], Statistic], champion: bool, seed: int) -> GateResult:
    sides = [side for side in (gate.left, gate.right) if side is not None]
    absent = [side for side in sides if side.model == CHAMPION and not champion]
    statistics = {str(side): statistic(side) for side in sides if side not in absent}
    values = {name: measure(one, seed=seed) for name, one in statistics.items()}
    if broken := [f"{name} has no value: {value.why}" for name, value in values.items() if np.isnan(value.value)]:
        return GateResult(gate.text, False, values, "; ".join(broken))
    if absent:
        return GateResult(gate.text, True, values, "no release is serving yet, so there is none to compare with")
    left = values[str(gate.left)].value
    if gate.op == "beats":
        values["difference"] = difference(*(statistics[str(side)] for side in sides), seed=seed)
        note = _not_beaten(gate, values["difference"])
        return GateResult(gate.text, not note, values, note)
    bound = gate.offset + (0.0 if gate.right is None else values[str(gate.right)].value)
    passed = left >= bound if gate.op == ">=" else left <= bound
    side = "below" if gate.op == ">=" else "above"
    return GateResult(gate.text, passed, values, "" if passed else f"{left:.4f} is {side} {bound:.4f}")


def _not_beaten(gate: Gate, apart: Measured) -> str:
    better = METRICS[gate.left.name].larger_is_better
    if apart.low > 0 if better else apart.high < 0:
        return ""
    low, high = f"{apart.low:+.4f}", f"{apart.high:+.4f}"
    wanted = "above" if better else "below"
    return f"the difference is {apart.value:+.4f}, its 95 % interval {low} to {high} is not {wanted} zero"
