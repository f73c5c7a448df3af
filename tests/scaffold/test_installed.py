"""From an installed package, without a checkout, reference systems are there too."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parents[2]


def run(*command, cwd, **more):
    ran = subprocess.run(
        command, cwd=cwd, env={**os.environ, **more}, capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_a_wheel_brings_the_reference_systems(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("src", "systems"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps")
    run(*pip, "--no-build-isolation", "--wheel-dir", "wheels", "./source", cwd=tmp_path)
    (wheel,) = (tmp_path / "wheels").glob("*.whl")
    with ZipFile(wheel) as packed:
        packed.extractall(tmp_path / "site")
    shutil.rmtree(source)
    command = (sys.executable, "-m", "sixfold.cli", "new", "mine", "--like", "harm")
    said = run(*command, cwd=tmp_path, PYTHONPATH=str(tmp_path / "site"))
    assert said.startswith("mine/design.py: ")
    assert (tmp_path / "mine" / "posts.parquet").is_file()
