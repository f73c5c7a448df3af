"""Vectors that a run keeps are computed once, and what cannot be read of their file is computed again."""

import numpy as np

from sixfold.inference.kept import KeptVectors


class Computing:
    """Makes vectors, and says of what."""

    def __init__(self):
        self.asked = []

    def __call__(self, values):
        self.asked.append(list(values))
        return np.array([[len(value), ord((value or "\x00")[0])] for value in values], np.float32).reshape(-1, 2)


def test_each_value_is_computed_once_by_whoever_opens_the_file(tmp_path):
    compute, path = Computing(), tmp_path / "v.vectors"
    kept = KeptVectors(path, 2)
    assert kept.of(["a", "bb"], compute).tolist() == [[1, 97], [2, 98]]
    assert kept.of(["bb", "ccc"], compute).tolist() == [[2, 98], [3, 99]]
    assert KeptVectors(path, 2).of(["ccc", "a", "", "\ud83d"], compute)[:2].tolist() == [[3, 99], [1, 97]]
    assert compute.asked == [["a", "bb"], ["ccc"], ["", "\ud83d"]]
    assert KeptVectors(path, 2).of([], compute).shape == (0, 2)


def test_a_row_that_was_cut_off_is_computed_again_and_what_follows_can_be_read(tmp_path):
    compute, path = Computing(), tmp_path / "v.vectors"
    KeptVectors(path, 2).of(["a", "bb"], compute)
    path.write_bytes(path.read_bytes()[:-3])
    assert KeptVectors(path, 2).of(["a", "bb"], compute).tolist() == [[1, 97], [2, 98]]
    assert KeptVectors(path, 2).of(["a", "bb"], compute).tolist() == [[1, 97], [2, 98]]
    assert compute.asked == [["a", "bb"], ["bb"]]
