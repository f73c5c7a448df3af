"""Releases: made whole, verified when opened, promoted by moving a pointer; recorded in MLflow."""

from sixfold.registry.release import POLICY, Manifest, Release, Releases

__all__ = ["POLICY", "Manifest", "Release", "Releases"]
