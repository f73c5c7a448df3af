"""Small models train fastest on one thread, most of all where several test processes share the cores."""

import logging

import pytest
import torch


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    # torch traces its exporter at debug level, whose capture by pytest takes longer than the export.
    logging.getLogger("torch").setLevel(logging.WARNING)
    yield
    torch.set_num_threads(before)
