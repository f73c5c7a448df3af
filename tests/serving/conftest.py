"""For tests of serving: the models of the design that judges posts, trained once."""

import pytest


@pytest.fixture(scope="session")
def talk_models(tmp_path_factory):
    """A folder with the trained models, for `talk_release.release(models=)`."""
    # Here, so that tests that train nothing need not wait for torch.
    from talk_release import DESIGN, train

    folder = tmp_path_factory.mktemp("talk") / "trained"
    train(DESIGN, folder)
    return folder
