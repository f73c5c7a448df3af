"""A release is recorded in MLflow for real, in a SQLite file."""

import pytest
from small_release import make

from sixfold.registry import Releases
from sixfold.registry.mlflow_registry import record, tracking_uri

METRICS = {"auc(bought)": {"value": 0.75}, "recall@10[new]": {"value": 0.5}, "xauc(bought)": {"value": float("nan")}}


# MLflow 3.17 declares its tables with an option that SQLAlchemy 2.1 deprecates.
@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:sqlalchemy.exc.SADeprecationWarning")
def test_a_record_has_the_run_its_metrics_its_files_and_a_version(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow import MlflowClient

    releases = Releases(tmp_path / "releases")
    first = make(releases, seed=3, metrics=METRICS, baselines={"busy.recall@10": {"value": 0.25}})
    assert record(first, tmp_path, promoted=True) == 1
    second = make(releases)
    assert record(second, tmp_path, promoted=False) == 2

    client = MlflowClient(tracking_uri(tmp_path), tracking_uri(tmp_path))
    assert (tmp_path / "mlflow.db").is_file()
    champion = client.get_model_version_by_alias("shop", "champion")
    assert (int(champion.version), champion.tags) == (1, {"release": first.id})
    run = client.get_run(champion.run_id)
    assert (run.info.run_name, run.info.status) == (first.id, "FINISHED")
    assert run.data.params == {"seed": "3", "features": first.manifest.features}
    assert run.data.metrics == {"auc/bought": 0.75, "recall_at_10/new": 0.5, "busy.recall_at_10": 0.25}
    files = {
        path for folder in ("release", "release/models/ranker") for path in artifacts(client, champion.run_id, folder)
    }
    assert files == {f"release/{name}" for name in (*first.manifest.files, "release.json")}
    versions = client.search_model_versions("name = 'shop'")
    assert {int(one.version): one.tags["release"] for one in versions} == {1: first.id, 2: second.id}


# MLflow 3.17 declares its tables with an option that SQLAlchemy 2.1 deprecates.
@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:sqlalchemy.exc.SADeprecationWarning")
def test_a_metric_of_any_expression_is_recorded_each_under_a_name_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow import MlflowClient

    metrics = {
        "auc(1 - (1 - toxic) * (1 - threat))[new]": {"value": 0.1},
        "auc(greatest(toxic, threat))": {"value": 0.2},
        "auc((toxic + threat) / 2)": {"value": 0.3},
        "auc((toxic - threat) / 2)": {"value": 0.4},
        """auc(case when verdict."Ärger 😀'" > 0.5 then 1 else 0 end)""": {"value": 0.5},
        f"auc({' + '.join(['toxic'] * 99)})": {"value": 0.6},
        f"auc({' + '.join(['toxic'] * 100)})": {"value": 0.7},
    }
    record(make(Releases(tmp_path / "releases"), metrics=metrics), tmp_path, promoted=True)
    client = MlflowClient(tracking_uri(tmp_path), tracking_uri(tmp_path))
    run = client.get_run(client.get_model_version_by_alias("shop", "champion").run_id)
    assert sorted(run.data.metrics.values()) == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    assert "auc/1 - _28_1 - toxic_29_ _2a_ _28_1 - threat_29_/new" in run.data.metrics


def artifacts(client, run_id: str, folder: str) -> list[str]:
    """Paths of the files directly in a folder of the run's artifacts."""
    return [one.path for one in client.list_artifacts(run_id, folder) if not one.is_dir]
