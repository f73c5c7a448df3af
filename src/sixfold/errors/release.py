"""Releases that are damaged, missing, or do not fit."""

from collections.abc import Iterable

from sixfold.errors.base import SixfoldError

__all__ = [
    "ChampionDiffers",
    "ExportDiffers",
    "NothingBefore",
    "ReleaseDamaged",
    "ReleaseError",
    "ReleaseMismatch",
    "ReleaseMissing",
]


class ReleaseError(SixfoldError, RuntimeError):
    """A release is damaged, missing, or does not fit."""


class ExportDiffers(ReleaseError):
    """
    >>> print(ExportDiffers(path="m/model.onnx", output="click", difference=0.5, tolerance=1e-4))
    m/model.onnx: the exported model differs from the trained one in click by 0.5 (allowed 0.0001)
    """

    def __init__(self, *, path: str, output: str, difference: float, tolerance: float) -> None:
        self.path, self.output, self.difference, self.tolerance = path, output, difference, tolerance
        super().__init__(
            f"{path}: the exported model differs from the trained one in {output} by {difference:g} "
            f"(allowed {tolerance:g})"
        )


class ChampionDiffers(ReleaseError):
    """
    >>> print(ChampionDiffers(names=["taste.likes"]))
    the release now serving reads taste.likes, which this design does not compute: a `champion.` gate cannot score it
    """

    def __init__(self, *, names: Iterable[str]) -> None:
        self.names = list(names)
        super().__init__(
            f"the release now serving reads {', '.join(self.names)}, which this design does not compute: "
            "a `champion.` gate cannot score it"
        )


class ReleaseDamaged(ReleaseError):
    """
    >>> print(ReleaseDamaged(path="releases/r3/model.onnx", reason="its content changed since it was released"))
    releases/r3/model.onnx: the release is damaged: its content changed since it was released
    """

    def __init__(self, *, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path}: the release is damaged: {reason}")


class ReleaseMissing(ReleaseError):
    """
    >>> print(ReleaseMissing(name="r3", known=["r1", "r2"], folder="work/releases"))
    work/releases has no release 'r3' (it has r1, r2). Make one with `sixfold run`.
    """

    def __init__(self, *, name: str, known: Iterable[str], folder: str) -> None:
        self.name, self.known, self.folder = name, list(known), folder
        has = ", ".join(self.known) or "none"
        super().__init__(f"{folder} has no release {name!r} (it has {has}). Make one with `sixfold run`.")


class NothingBefore(ReleaseError):
    """
    >>> print(NothingBefore(current="r2", known=["r1", "r2"], folder="work/releases"))
    work/releases: no release served before r2, so there is nothing to roll back to. Promote one by its name: r1.
    >>> print(NothingBefore(current=None, known=[], folder="work/releases"))
    work/releases: no release has served yet, so there is nothing to roll back to. Make one with `sixfold run`.
    """

    def __init__(self, *, current: str | None, known: Iterable[str], folder: str) -> None:
        self.current, self.known, self.folder = current, list(known), folder
        before = "has served yet" if current is None else f"served before {current}"
        others = [name for name in self.known if name != current]
        fix = f"Promote one by its name: {', '.join(others)}." if others else "Make one with `sixfold run`."
        super().__init__(f"{folder}: no release {before}, so there is nothing to roll back to. {fix}")


class ReleaseMismatch(ReleaseError):
    """
    >>> print(ReleaseMismatch(name="r3", what="feature definitions", expected="ab12", found="cd34"))
    release r3 does not fit: its feature definitions have fingerprint cd34, the design's have ab12
    """

    def __init__(self, *, name: str, what: str, expected: str, found: str) -> None:
        self.name, self.what, self.expected, self.found = name, what, expected, found
        super().__init__(
            f"release {name} does not fit: its {what} have fingerprint {found}, the design's have {expected}"
        )
