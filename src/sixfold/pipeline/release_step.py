"""The last steps: assembling a release, building its online state, registering it."""

import shutil
from contextlib import closing
from typing import Any

import msgspec

from sixfold.design.models import Rule
from sixfold.evaluation.gates import GateResult
from sixfold.features.bulk import Built
from sixfold.pipeline.evaluation_step import deployed, read_evaluated
from sixfold.pipeline.job import Job
from sixfold.registry import POLICY, Release
from sixfold.serving.history import make_state

__all__ = ["build_state", "drop_old_states", "make_release"]


def make_release(job: Job, rows: dict[str, Any]) -> Release | None:
    """Assemble and verify a release if every gate passed; None if one did not.

    Args:
        rows: Ingestion's counts by source, kept in the release.
    """
    evaluated, system = read_evaluated(job), job.system
    if not all(gate.passed for gate in evaluated.gates):
        return None
    names = list(dict.fromkeys(model.name for model in deployed(job) if not isinstance(model, Rule)))
    gathered = job.folder("release") / "models"
    shutil.rmtree(gathered, ignore_errors=True)
    for name in names:
        shutil.copytree(job.folder(f"train-{name}") / name, gathered / name)
    files = [job.folder("policy") / POLICY] if system.actions else []
    requirements = {name: getattr(system.requirements, name) for name in _REQUIREMENTS}
    return job.releases.add(
        system,
        job.design,
        gathered,
        names,
        {
            "data": {"folder": str(job.data), "rows": rows, "log_offset": job.ingested.offset},
            "seed": job.seed,
            "metrics": msgspec.to_builtins(evaluated.metrics),
            "baselines": msgspec.to_builtins(evaluated.baselines),
            "gates": [_gate(gate) for gate in evaluated.gates],
            "requirements": requirements,
        },
        files,
    )


def build_state(job: Job, release: Release) -> Built | None:
    """Build the release's online state beside those in use; the stream goes on from there.

    Returns:
        What was taken over and what was made anew; None where a server has built it already.
    """
    with closing(job.open_log()) as log, closing(job.open_states()) as states:
        # What lies there under the name of a new release is of a work folder that is gone.
        if release.id in states.names() and not states.discard(release.id):
            return None
        return make_state(release.system, job.workdir, release.id, job.ingested, states=states, log=log)


def drop_old_states(job: Job, *, keep: int = 3) -> None:
    """Remove the states of all but the latest releases; an older release's state can be built again."""
    with closing(job.open_states()) as states:
        states.discard_all_but({*job.releases.ids()[-keep:], str(job.releases.current())})


_REQUIREMENTS = ("goal", "users", "items", "peak_rps", "p99_ms", "freshness_s", "availability")


def _gate(gate: GateResult) -> dict[str, Any]:
    return {"gate": gate.gate, "passed": gate.passed, "values": msgspec.to_builtins(gate.values), "note": gate.note}
