"""Recording releases in MLflow, so that its pages show them."""

import logging
import re
from pathlib import Path
from zlib import crc32

from sixfold.registry.release import Release

__all__ = ["record", "tracking_uri"]


def tracking_uri(workdir: Path) -> str:
    """Where MLflow keeps its runs: a SQLite file in the work folder."""
    return f"sqlite:///{workdir.resolve() / 'mlflow.db'}"


def record(release: Release, workdir: Path, *, promoted: bool) -> int:
    """Log the release's metrics and files as a run, and register it as a version of the system's model.

    Returns:
        The model's version. Where the release was promoted, the alias `champion` points to it.
    """
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    # It tells of the tables that it makes in a new file.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)

    manifest, uri = release.manifest, tracking_uri(workdir)
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    experiment = client.get_experiment_by_name(manifest.system)
    experiment_id = (
        experiment.experiment_id
        if experiment
        else client.create_experiment(manifest.system, artifact_location=(workdir.resolve() / "mlartifacts").as_uri())
    )
    run = client.create_run(experiment_id, run_name=release.id)
    run_id = run.info.run_id
    client.log_param(run_id, "seed", manifest.seed)
    client.log_param(run_id, "features", manifest.features)
    for name, measured in {**manifest.metrics, **manifest.baselines}.items():
        if (value := measured["value"]) is not None:  # JSON has no NaN: what could not be measured is null
            client.log_metric(run_id, _metric_name(name), value)
    client.log_artifacts(run_id, str(release.folder), "release")
    client.set_terminated(run_id)
    try:
        client.create_registered_model(manifest.system)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    version = client.create_model_version(
        manifest.system, f"{run.info.artifact_uri}/release", run_id, tags={"release": release.id}
    )
    if promoted:
        client.set_registered_model_alias(manifest.system, "champion", version.version)
    return int(version.version)


def _metric_name(name: str) -> str:
    """A metric's name as MLflow takes it: at most 250 letters, digits and `_-. :/`, the last not twice in a row.

    >>> _metric_name("recall@10[new]"), _metric_name("a.auc(greatest(rude, vile))")
    ('recall_at_10/new', 'a.auc/greatest_28_rude_2c_ vile_29_')
    """
    metric, _, rest = name.partition("(")
    of, _, slice_name = rest.rpartition(")") if rest else ("", "", "")
    if not rest:
        metric, _, slice_name = metric.partition("[")
    parts = (metric.replace("@", "_at_"), of, slice_name.strip("[]"))
    written = "/".join(_UNKNOWN.sub(lambda sign: f"_{ord(sign[0]):x}_", part) for part in parts if part)
    return written if len(written) <= 250 else f"{written[:240]}_{crc32(written.encode()):08x}"


_UNKNOWN = re.compile(r"[^\w .:-]")
