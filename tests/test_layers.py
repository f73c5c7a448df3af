"""Imports go one way, heavy libraries live in one folder each, and `import sixfold` is cheap."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "sixfold"
LIBRARIES = {
    "torch": {"models", "training"},
    "litestar": {"serving"},
    "uvicorn": {"serving"},
    "lmdb": {"stores"},
    "redis": {"stores"},
    "mlflow": {"registry"},
    "duckdb": {"data", "features", "monitoring", "pipeline", "scaffold"},
    "lightgbm": {"training", "inference"},
    "onnxruntime": {"inference", "training"},
    "faiss": {"serving"},
    "transformers": {"models", "training"},
    "tokenizers": {"inference", "training"},
    "PIL": {"data", "inference"},
    "scipy": {"training"},
    "sklearn": {"training"},
    "adbc_driver_manager": {"data"},
    "adbc_driver_sqlite": {"data"},
    "adbc_driver_postgresql": {"data"},
}
"""Which folders may import a library."""
NEVER = {
    "design": {"data", "features", "stores", "models", "training", "evaluation", "registry", "serving", "pipeline"},
    "serving": {"training", "models", "pipeline", "evaluation"},
    "stores": {"features", "training", "serving", "pipeline", "registry", "evaluation", "models"},
    "features": {"training", "serving", "pipeline", "registry", "evaluation", "models"},
    "evaluation": {"training", "serving", "pipeline", "registry", "models"},
    "inference": {"training", "serving", "pipeline", "registry", "models"},
    "training": {"serving", "pipeline", "registry"},
    "monitoring": {"serving", "pipeline", "training", "models"},
    "scaffold": {
        "serving",
        "pipeline",
        "training",
        "models",
        "features",
        "stores",
        "inference",
        "evaluation",
        "registry",
    },
}
"""Folder to the folders of ours that it may not import."""


def imports(path: Path) -> list[tuple[str, bool]]:
    """Modules that a file imports, and whether it does so when it is imported itself."""
    found = []
    tree = ast.parse(path.read_text())
    top = {id(node) for node in tree.body}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) in top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append((node.module, id(node) in top))
    return found


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_file_imports_only_what_its_folder_may(path):
    folder = path.relative_to(PACKAGE).parts[0]
    if folder in ("testing", "cli.py", "__init__.py"):
        return
    for module, _ in imports(path):
        library, parts = module.split(".")[0], module.split(".")
        if library in LIBRARIES:
            assert folder in LIBRARIES[library], f"{path.name} imports {module}"
        if library == "sixfold" and len(parts) > 1:
            assert parts[1] not in NEVER.get(folder, set()), f"{path.name} imports {module}"


def test_importing_sixfold_is_cheap_and_brings_nothing_heavy():
    code = (
        "import sys, time; started = time.process_time(); import sixfold; spent = time.process_time() - started;"
        "heavy = {'torch', 'duckdb', 'litestar', 'numpy', 'pyarrow', 'numba', 'lmdb', 'mlflow', 'PIL',"
        "'tokenizers', 'transformers'} & set(sys.modules);"
        "print(spent, *sorted(heavy))"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(3)]
    assert [run.stdout.split()[1:] for run in runs] == [[], [], []]
    assert min(float(run.stdout.split()[0]) for run in runs) < 0.3


def test_no_file_is_longer_than_500_lines():
    assert {str(p): n for p in PACKAGE.rglob("*.py") if (n := len(p.read_text().splitlines())) > 500} == {}
