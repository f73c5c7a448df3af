"""One HTML page of a run: metrics beside baselines, gates, training curves, the design. No script, nothing fetched."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from sixfold.data.checks import Profile
from sixfold.data.report import Report
from sixfold.design.draw import draw
from sixfold.design.metrics import METRICS, parse_metric
from sixfold.evaluation.bootstrap import Measured
from sixfold.pipeline.attacks_step import read_attacks
from sixfold.pipeline.data_page import columns_section, features_section
from sixfold.pipeline.job import Job
from sixfold.pipeline.judged_page import attacks_section, judged_section
from sixfold.pipeline.markup import escaped, measured_cell, table
from sixfold.pipeline.policy_step import read_judged
from sixfold.pipeline.prequential_step import read_prequential
from sixfold.pipeline.scores_page import learning_section, reliability_section
from sixfold.training.loop import Curve

if TYPE_CHECKING:
    from sixfold.pipeline.run import Result

__all__ = ["write_data_page", "write_report"]

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --accent: #2563eb; --soft: #8882; --good: #15803d; --bad: #b91c1c }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem }
h1 { margin-bottom: 0 } h2 { margin-top: 2.2rem; border-bottom: 1px solid var(--line) }
table { border-collapse: collapse; margin: .8rem 0 }
th, td { padding: .25rem .8rem; text-align: right; vertical-align: top }
th:first-child, td:first-child { text-align: left } tr + tr td { border-top: 1px solid var(--soft) }
details p { overflow-wrap: anywhere; margin: .3rem 0 }
small { opacity: .65; display: block } .own td { font-weight: 600 }
.good { color: var(--good) } .bad { color: var(--bad) }
pre { background: var(--soft); padding: 1rem; overflow-x: auto; font-size: 13px; line-height: 1.4 }
figure { display: inline-block; margin: .5rem 1.5rem .5rem 0 }
.plots figure { width: 160px; margin: .4rem .6rem .4rem 0; vertical-align: top; overflow-wrap: anywhere }
.plots figcaption { font-size: 12px }
svg text { font-size: 11px; fill: currentColor }
"""


def write_data_page(job: Job, profile: Profile, report: Report) -> Path:
    """Write `data.html` in the work folder: the columns of what is ingested."""
    title = f"{job.system.name}: data"
    parts = [f"<h1>{escaped(title)}</h1><p>{escaped(str(job.data))}</p>", *columns_section(profile, report)]
    return _write(job.workdir / "data.html", title, parts)


def write_report(result: "Result") -> Path:
    """Write `report.html` in the work folder and give its path."""
    job, evaluated = result.job, result.evaluated
    release = result.release.id if result.release else "no release: a gate failed"
    parts = [
        f"<h1>{escaped(job.system.name)}</h1><p>{escaped(job.system.requirements.goal)}<br>{escaped(release)}, "
        f"seed {job.seed}, data {escaped(str(job.data))}</p>",
        "<h2>Metrics, with 95 % intervals</h2>",
        *_metric_tables(evaluated.metrics, evaluated.baselines),
        f"<p>{evaluated.examples:,} test examples, {evaluated.queries:,} lists; intervals by resampling users.</p>",
        *reliability_section(evaluated.reliability),
        *learning_section(read_prequential(job)),
        *judged_section(read_judged(job)),
        *attacks_section(read_attacks(job)),
        "<h2>Gates</h2>",
        _gates(result),
        "<h2>Required and measured</h2>",
        _requirements(result),
        "<h2>Training</h2>",
        *_curves(result),
        "<h2>Ingested</h2>",
        _rows(result),
        "<h2>Columns</h2>",
        *columns_section(result.profile, result.report),
        "<h2>Features</h2>",
        *features_section(job),
        "<h2>Time</h2>",
        table(["step", "seconds"], [[escaped(name), f"{s:.1f}"] for name, s in result.seconds.items()]),
        f"<h2>The design</h2><pre>{escaped(draw(job.system))}</pre>",
    ]
    return _write(job.workdir / "report.html", job.system.name, parts)


def _write(path: Path, title: str, parts: Sequence[str]) -> Path:
    page = f"<!doctype html><html lang=en><meta charset=utf-8><title>{escaped(title)}</title><style>{_STYLE}</style>"
    path.write_text(page + "\n".join(parts) + "</html>\n")
    return path


def _metric_tables(metrics: Mapping[str, Measured], baselines: Mapping[str, Measured]) -> list[str]:
    cells = {parse_metric(t, where="", part=""): m for t, m in {**metrics, **baselines}.items()}
    made = []
    for source, title in (("lists", "Lists"), ("scores", "Test examples")):
        own = {metric: m for metric, m in cells.items() if METRICS[metric.name].source == source}
        if not own:
            continue
        columns = list(dict.fromkeys(replace(metric, model=None) for metric in own))
        models = sorted({metric.model for metric in own}, key=lambda name: (name is not None, name or ""))
        rows = [
            [escaped(model or "this release"), *(measured_cell(own.get(replace(c, model=model))) for c in columns)]
            for model in models
        ]
        made.append(table([title, *(escaped(str(c)) for c in columns)], rows, own_first=True))
    return made


def _gates(result: "Result") -> str:
    rows = [
        [
            escaped(gate.gate),
            '<span class="good">passed</span>' if gate.passed else '<span class="bad">failed</span>',
            "<br>".join(f"{escaped(name)} {m.value:.4f}" for name, m in gate.values.items()),
            escaped(gate.note),
        ]
        for gate in result.evaluated.gates
    ]
    return table(["gate", "", "measured", "note"], rows)


def _requirements(result: "Result") -> str:
    required, latency = result.job.system.requirements, result.latency
    measured = {"p99_ms": f"{latency.p99_ms:.1f} ({latency.answers} answers, in process)"} if latency else {}
    names = ("users", "items", "peak_rps", "p99_ms", "freshness_s", "availability")
    rows = [
        [name, f"{value:,}", measured.get(name, "not measured by a run")]
        for name in names
        if (value := getattr(required, name)) is not None
    ]
    return table(["requirement", "required", "measured"], rows)


def _curves(result: "Result") -> list[str]:
    drawn = []
    for path in sorted(result.job.workdir.glob("steps/train-*/curves.json")):
        for name, curve in msgspec.json.decode(path.read_bytes(), type=dict[str, Curve]).items():
            drawn.append(
                f"<figure>{_curve(curve)}<figcaption>{escaped(name)}, best at {curve.best}</figcaption></figure>"
            )
    return drawn


def _curve(curve: Curve) -> str:
    """Training (thin) and validation (thick) loss by epoch or round."""
    width, height, pad = 300, 150, 36
    losses = [x for x in (*curve.training, *curve.validation) if math.isfinite(x)]
    low, high = min(losses), max(losses)

    def line(values: Sequence[float], style: str) -> str:
        step = (width - 2 * pad) / max(1, len(values) - 1)
        points = " ".join(
            f"{pad + i * step:.1f},{height - pad + (low - v) / ((high - low) or 1) * (height - 2 * pad):.1f}"
            for i, v in enumerate(values)
        )
        dots = "".join(f'<circle cx="{p.split(",")[0]}" cy="{p.split(",")[1]}" r="2.5"/>' for p in points.split())
        return f'<g {style}><polyline points="{points}" fill="none"/>{dots if len(values) < 12 else ""}</g>'

    return (
        f'<svg width="{width}" height="{height}" role="img" aria-label="loss by epoch">'
        f'<text x="2" y="{pad}">{high:.3g}</text><text x="2" y="{height - pad}">{low:.3g}</text>'
        f'<text x="{pad}" y="{height - 12}">1</text>'
        f'<text x="{width - pad}" y="{height - 12}">{len(curve.training)}</text>'
        + line(curve.training, 'stroke="currentColor" fill="currentColor" opacity=".5"')
        + line(curve.validation, 'stroke="#2563eb" fill="#2563eb" stroke-width="2"')
        + "</svg>"
    )


def _rows(result: "Result") -> str:
    counts = result.report.rows
    names = list(dict.fromkeys(name for one in counts.values() for name in one))
    rows = [[escaped(source), *(f"{one.get(name, 0):,}" for name in names)] for source, one in counts.items()]
    return table(["source", *names], rows)
