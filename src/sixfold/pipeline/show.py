"""What `sixfold show` prints: the releases of a design and what they reached."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from sixfold.registry import Releases

__all__ = ["show"]


def show(workdir: Path, console: Console | None = None) -> None:
    """A row a release: its metrics with intervals, its gates, which one serves."""
    releases, console = Releases(workdir / "releases"), console or Console()
    table = Table("Release", "Serves", "Metrics", "Gates", title=f"Releases in {workdir}", title_justify="left")
    marks = releases.erased()
    for name in releases.ids():
        manifest = releases.open(name).manifest
        metrics = "\n".join(
            f"{metric} {one['value']:.4f} ({one['low']:.4f} to {one['high']:.4f})"
            for metric, one in manifest.metrics.items()
        )
        erased = len(marks.get(name, []))
        passed = sum(gate["passed"] for gate in manifest.gates)
        table.add_row(
            f"{name}\n[yellow]learned from {erased} erased[/yellow]" if erased else name,
            "yes" if name == releases.current() else "",
            metrics.replace("[", r"\["),
            f"{passed}/{len(manifest.gates)}",
        )
    console.print(table if releases.ids() else f"{workdir} has no release yet: make one with `sixfold run`.")
