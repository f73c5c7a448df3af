"""Feast's historical retrieval of the latest row, beside Sixfold's count and sum in three windows.

    python benchmarks/feast_point_in_time.py --feast PYTHON [--quick] [--json]

PYTHON is an interpreter of an environment of its own with `feast[duckdb]==0.67.0`; Sixfold does not depend on it. Both
read the same Parquet files: the uniform keys of `point_in_time.py`.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb

sys.path.insert(0, str(Path(__file__).parent))

import point_in_time

FEAST = """
import json, resource, sys, time
from datetime import timedelta
from pathlib import Path
import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import Float64, Bool

folder = Path(sys.argv[1])
(folder / "feature_store.yaml").write_text(
    "project: benchmark\\nregistry: registry.db\\nprovider: local\\noffline_store:\\n  type: duckdb\\n"
    "online_store:\\n  type: sqlite\\n  path: online.db\\nentity_key_serialization_version: 3\\n")
viewer = Entity(name="viewer", join_keys=["viewer"], value_type=ValueType.STRING)
source = FileSource(name="plays", path=str(folder / "feast_plays.parquet"), timestamp_field="event_timestamp")
view = FeatureView(name="user", entities=[viewer], ttl=timedelta(days=30), source=source,
    schema=[Field(name="spent", dtype=Float64), Field(name="liked", dtype=Bool)])
store = FeatureStore(repo_path=str(folder))
store.apply([viewer, view])
labels = pd.read_parquet(folder / "feast_labels.parquet")
begun = time.perf_counter()
rows = store.get_historical_features(entity_df=labels, features=["user:spent", "user:liked"]).to_arrow()
took_s = time.perf_counter() - begun
peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
print(json.dumps({"s": round(took_s, 2), "gb": round(peak_gb, 2), "rows": rows.num_rows}))
"""


def main() -> None:
    """Measure both once and print a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--feast", required=True, metavar="PYTHON")
    parser.add_argument("--quick", action="store_true", help="a twentieth of the labels and events")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    given = parser.parse_args()
    labels = 1_000_000 // (20 if given.quick else 1)
    with tempfile.TemporaryDirectory() as folder:
        point_in_time.generate(Path(folder), labels, 10 * labels, "uniform")
        for_feast(Path(folder))
        ours = point_in_time.in_a_process(folder, "sixfold", "2 aggregates")
        command = [given.feast, "-c", FEAST, folder]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode:
            raise SystemExit(f"Feast did not run:\n{ran.stderr}")
        theirs = json.loads(ran.stdout.splitlines()[-1])
    line = {
        "benchmark": "feast_point_in_time",
        "case": f"count and sum in 3 windows, {labels:,} labels x {10 * labels:,} events, peak {ours['gb']} GB",
        "value": ours["s"],
        "unit": "s",
        "against": f"Feast's latest row: {theirs['s']} s, {theirs['gb']} GB, {theirs['rows']:,} rows",
        "ratio": round(theirs["s"] / ours["s"], 2),
    }
    print(json.dumps(line) if given.json else "  ".join(f"{k}={v}" for k, v in line.items()))


def for_feast(folder: Path) -> None:
    """The same events and labels with timestamps, as Feast wants them."""
    stamped = "* exclude (time), make_timestamptz(time + 1700000000000000) as event_timestamp"
    for name in ("plays", "labels"):
        columns = stamped.replace("(time)", "(time, known, item)") if name == "plays" else stamped
        query = f"select {columns} from '{folder}/{name}.parquet'"
        duckdb.sql(f"copy ({query}) to '{folder}/feast_{name}.parquet'")


if __name__ == "__main__":
    main()
