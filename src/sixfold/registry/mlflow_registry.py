"""Recording releases in MLflow, so that its pages show them."""

import logging
from pathlib import Path

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
    """MLflow's names know no @, ( and [."""
    return name.replace("@", "_at_").replace("(", "/").replace(")", "").replace("[", "/").replace("]", "")
