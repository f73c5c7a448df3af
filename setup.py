"""Beside pyproject.toml: the reference systems go into a wheel, so that `sixfold new --like` finds them there."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class WithSystems(build_py):
    """Copies `systems/` into a wheel; a checkout is read where it is."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            target = (
                Path(self.build_lib) / "sixfold_systems"
            )  # beside: lines of designs are told, lines of the package are not
            shutil.copytree("systems", target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))


setup(cmdclass={"build_py": WithSystems})
