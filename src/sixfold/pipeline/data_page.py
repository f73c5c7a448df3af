"""The part of the HTML report that shows data: a small plot for each column and each feature."""

import html
from collections.abc import Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sixfold.data.checks import Profile
from sixfold.data.report import Report
from sixfold.data.shapes import Shape, psi, shape
from sixfold.pipeline.job import Job

__all__ = ["columns_section", "features_section"]

_LARGE = 0.25
_WIDTH, _HEIGHT = 150, 44


def columns_section(profile: Profile, report: Report) -> list[str]:
    """Every column of the ingested data (bars) beside the ingestion before (line), checks and changed columns."""
    parts = [f"<p class=bad>changed since it was last read: {html.escape(one)}</p>" for one in report.drift]
    for check, value in profile.checks:
        holds = "<span class=good>holds</span>" if check.holds(value) else "<span class=bad>does not hold</span>"
        shown = "nothing to measure" if value is None else f"{value:.6g}"
        parts.append(f"<p>{html.escape(check.text)}: {shown}, {holds}</p>")
    shapes = profile.shapes
    parts.append(_plots(shapes.now, shapes.before, "now", "the ingestion before"))
    return parts


def features_section(job: Job) -> list[str]:
    """Every input of the models in the test part (bars) beside the training part (line)."""
    path = job.workdir / "steps" / "examples" / "examples.parquet"
    system, found = job.system, dict[str, Shape]()
    trained: dict[str, Shape] = {}
    names = [name for name in pq.read_schema(path).names if name in system.kinds and name not in system.row.base]
    for name in names:
        table = pq.read_table(path, columns=[name, "part"])
        before = shape(_part(table, "train"), system.kinds[name])
        if before is not None and (now := shape(_part(table, "test"), system.kinds[name], like=before)) is not None:
            found[name], trained[name] = now, before
    return [_plots(found, trained, "test part", "training part")]


def _part(table: pa.Table, part: str) -> pa.ChunkedArray:
    return table.filter(pc.equal(table["part"], part)).column(0)


def _plots(now: Mapping[str, Shape], before: Mapping[str, Shape], said: str, beside: str) -> str:
    note = f"bars: {said}; line: {beside}; psi: population stability index between them, from .25 on it is large"
    drawn = "".join(_figure(name, one, before.get(name)) for name, one in now.items())
    return f"<p><small>{note}</small></p><div class=plots>{drawn}</div>"


def _figure(name: str, now: Shape, before: Shape | None) -> str:
    said = []
    rows = sum(now.counts) + now.nulls
    if now.nulls:
        said.append(f"{now.nulls / rows:.1%} null")
    if before is not None and now.base != "time":
        value = psi(before, now)
        said.append(f"<span class=bad>psi {value:.2f}</span>" if value >= _LARGE else f"psi {value:.2f}")
    ends = (now.edges[0], now.edges[-1]) if now.edges else None
    if ends is not None and now.base == "number":
        said.append(f"{ends[0]:.4g} to {ends[1]:.4g}")
    elif ends is not None:
        said.append(f"{ends[1] - ends[0]:.1f} days")
    caption = f"{html.escape(name)}<small>{', '.join(said) or '&nbsp;'}</small>"
    return f"<figure>{_svg(now, before)}<figcaption>{caption}</figcaption></figure>"


def _svg(now: Shape, before: Shape | None) -> str:
    new, old = _shares(now), [] if before is None else _shares(before)
    top = max([*new, *old], default=0) or 1
    step = _WIDTH / max(1, len(new))
    bars = "".join(
        f'<rect x="{i * step:.1f}" y="{_HEIGHT * (1 - one / top):.1f}" width="{max(step - 1, 1):.1f}" '
        f'height="{_HEIGHT * one / top:.1f}"><title>{html.escape(label)}: {one:.1%}</title></rect>'
        for i, (one, label) in enumerate(zip(new, _labels(now)))
    )
    line = " ".join(f"{(i + 0.5) * step:.1f},{_HEIGHT * (1 - one / top):.1f}" for i, one in enumerate(old))
    drawn = f'<polyline points="{line}" fill="none" stroke="currentColor" opacity=".7"/>' if old else ""
    return f'<svg width="{_WIDTH}" height="{_HEIGHT}" role="img"><g fill="#2563eb">{bars}</g>{drawn}</svg>'


def _shares(one: Shape) -> list[float]:
    total = sum(one.counts) or 1
    return [count / total for count in one.counts]


def _labels(one: Shape) -> Iterator[str]:
    if one.values or not one.edges:
        yield from [*one.values, "others"]
        return
    yield f"below {one.edges[0]:.6g}"
    yield from (f"from {edge:.6g}" for edge in one.edges)
