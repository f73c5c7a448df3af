"""The first version of a design: from a reference system, or from somebody's own files."""
