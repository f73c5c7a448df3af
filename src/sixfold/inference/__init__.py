"""Exported models, run without torch: what evaluation measures is what serving answers with."""
