"""The report's sections about probabilities: whether they are what they say, and when to learn."""

import html
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from sixfold.design.units import shown
from sixfold.evaluation.reliability import Group, Reliability
from sixfold.pipeline.prequential_step import WAYS, Prequential, Waiting

__all__ = ["learning_section", "reliability_section"]

_WIDTH, _HEIGHT, _PAD = 380, 260, 46
_COLOURS = {"frozen": "#6b7280", "warm": "#2563eb", "early": "#d97706", "scratch": "#15803d"}


def reliability_section(found: Mapping[str, Reliability]) -> list[str]:
    """A reliability diagram and a table for each probability; nothing where there is none."""
    if not found:
        return []
    parts = [
        "<h2>Probabilities beside what was</h2><p>The model that predicts, on the test part, in ten groups of as many "
        "examples by what it says. The bars are 95 % intervals by users; on the line it says what was.</p>"
    ]
    for head, one in found.items():
        parts.append(f"<figure>{_diagram(one.deciles)}<figcaption>{html.escape(head)}</figcaption></figure>")
        rows = [("all", one.overall), *((f"decile {at}", group) for at, group in enumerate(one.deciles, 1))]
        parts.append(_groups([*rows, *one.slices.items()]))
    return parts


def learning_section(found: Prequential) -> list[str]:
    """What waiting costs, and the rounds of continual training; nothing where the design tells or asks nothing."""
    parts = []
    if found.waiting:
        parts.append("<h2>Outcomes that come late</h2>")
    for label, rows in found.waiting.items():
        parts.append(f"<p>{html.escape(label)}: how many of the outcomes that count had come after a wait, and the log "
                     "loss of what ships had it learned that the others never would.</p>" + _waits(rows))  # fmt: skip
    if found.overall:
        parts.append(
            f"<h2>Continual training</h2><p>{html.escape(found.label)}: the test part in rounds of {found.every}; each "
            f"is scored by what learned until its start. {found.grown:,} new texts got codes. Log loss less that of "
            "the model trained once; below the line is better.</p>"
        )
        parts.append(f"<figure>{_rounds(found)}<figcaption>{_legend(found.losses)}</figcaption></figure>")
        parts.append(_ways(found))
    return parts


def _diagram(groups: Sequence[Group]) -> str:
    """What was (upwards) over what is said, with the line where they are equal."""
    most = 1.08 * max(max(g.said, g.was, _ends(g)[1]) for g in groups)

    def x(value: float) -> float:
        return _PAD + value / most * (_WIDTH - 2 * _PAD)

    def y(value: float) -> float:
        return _HEIGHT - _PAD - value / most * (_HEIGHT - 2 * _PAD)

    bars = "".join(
        f'<line x1="{x(g.said):.1f}" x2="{x(g.said):.1f}" y1="{y(_ends(g)[0]):.1f}" y2="{y(_ends(g)[1]):.1f}"/>'
        for g in groups
    )
    dots = "".join(f'<circle cx="{x(g.said):.1f}" cy="{y(g.was):.1f}" r="3.5"/>' for g in groups)
    line = f'<line x1="{x(0)}" y1="{y(0)}" x2="{x(most)}" y2="{y(most)}" stroke="currentColor" opacity=".4"/>'
    axes = (
        f'<text x="{x(0)}" y="{_HEIGHT - 26}">0</text><text x="{x(most) - 30}" y="{_HEIGHT - 26}">{most:.3g}</text>'
        f'<text x="{_WIDTH / 2 - 20}" y="{_HEIGHT - 10}">says</text><text x="4" y="{y(most / 2)}">was</text>'
        f'<text x="4" y="{y(most) + 8}">{most:.3g}</text>'
    )
    own = f'<g stroke="#2563eb" fill="#2563eb">{bars}{dots}</g>'
    return f'<svg width="{_WIDTH}" height="{_HEIGHT}" role="img" aria-label="reliability">{line}{own}{axes}</svg>'


def _ends(group: Group) -> tuple[float, float]:
    """The interval of what was, from that of the ratio."""
    if math.isnan(group.ratio):
        return group.was, group.was
    half = (group.high - group.low) / 2 / group.ratio * group.was
    return max(0.0, group.was - half), group.was + half


def _rounds(found: Prequential) -> str:
    """Log loss of each way less that of `frozen`, round by round, as the mean over all rounds so far."""
    frozen = found.losses["frozen"]
    lines = {
        name: _running([a - b for a, b in zip(own, frozen) if a is not None and b is not None])
        for name, own in found.losses.items()
        if name != "frozen"
    }
    every = [value for line in lines.values() for value in line] + [0.0]
    low, high = min(every), max(every)
    span, width = (high - low) or 1.0, 2 * _WIDTH

    def y(value: float) -> float:
        return _PAD / 2 + (high - value) / span * (_HEIGHT - 1.5 * _PAD)

    drawn = [f'<line x1="{_PAD}" x2="{width}" y1="{y(0):.1f}" y2="{y(0):.1f}" stroke="{_COLOURS["frozen"]}"/>']
    for name, line in lines.items():
        step = (width - _PAD) / max(1, len(line) - 1)
        points = " ".join(f"{_PAD + at * step:.1f},{y(value):.1f}" for at, value in enumerate(line))
        drawn.append(f'<polyline points="{points}" fill="none" stroke="{_COLOURS[name]}" stroke-width="2"/>')
    first, last = (datetime.fromtimestamp(found.hours_us[at] / 1e6, UTC) for at in (0, -1))
    drawn.append(
        f'<text x="2" y="{y(high) + 4:.1f}">{high:+.4f}</text><text x="2" y="{y(low) + 4:.1f}">{low:+.4f}</text>'
        f'<text x="{_PAD}" y="{_HEIGHT - 6}">{first:%m-%d %H:%M} UTC</text>'
        f'<text x="{width - 90}" y="{_HEIGHT - 6}">{last:%m-%d %H:%M} UTC</text>'
    )
    label = "log loss beside the frozen model, mean so far"
    return f'<svg width="{width}" height="{_HEIGHT}" role="img" aria-label="{label}">{"".join(drawn)}</svg>'


def _running(values: Sequence[float]) -> list[float]:
    total, found = 0.0, []
    for at, value in enumerate(values, 1):
        total += value
        found.append(total / at)
    return found


def _legend(ways: Mapping[str, object]) -> str:
    said = [f'<span style="color:{_COLOURS[name]}">{name}: {html.escape(WAYS[name])}</span>' for name in ways]
    return "; ".join(said) + "; the mean over the rounds so far"


def _ways(found: Prequential) -> str:
    rows = []
    for name, one in found.overall.items():
        apart = found.beside_frozen.get(name)
        beside = "" if apart is None else f"{apart.value:+.5f}<small>{apart.low:+.5f} to {apart.high:+.5f}</small>"
        rows.append([name, f"{one.value:.5f}", beside])
    return _table(["way", "log loss", "beside frozen"], rows)


def _waits(rows: Sequence[Waiting]) -> str:
    cells = [
        [shown(int(one.wait_s * 1e6)), f"{one.came:.1%}", "" if one.log_loss is None else f"{one.log_loss:.5f}"]
        for one in rows
    ]
    return _table(["wait", "had come", "log loss, had it been learned so"], cells)


def _groups(rows: Sequence[tuple[str, Group]]) -> str:
    cells = [
        [
            html.escape(name),
            f"{one.examples:,}",
            f"{one.said:.4f}",
            f"{one.was:.4f}",
            "" if math.isnan(one.ratio) else f"{one.ratio:.3f}<small>{one.low:.3f} to {one.high:.3f}</small>",
        ]
        for name, one in rows
    ]
    return _table(["examples of", "examples", "says", "was", "says / was"], cells)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    top = "".join(f"<th>{cell}</th>" for cell in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"
