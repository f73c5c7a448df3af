"""Releases: made whole, verified when opened, promoted by moving a pointer; recorded in MLflow."""

from sixfold.registry.release import Manifest, Release, Releases

__all__ = ["Manifest", "Release", "Releases"]
