"""A head's weight says how much its loss counts beside the others'."""

import numpy as np
import pyarrow as pa
import pytest
import torch

import sixfold as sf
from sixfold.design.kinds import NUMBER
from sixfold.errors import InvalidField
from sixfold.inference.encoding import fit
from sixfold.inference.inputs import Inputs
from sixfold.training.learner import Learner, label_columns, make_network
from sixfold.training.rows import encoded

A, B = sf.Label("a", "a"), sf.Label("b", "b")


def loss(*heads):
    rng = np.random.default_rng(0)
    rows = pa.table({"x": rng.normal(size=64), "label.a": rng.random(64).round(), "label.b": rng.random(64).round()})
    model = sf.Network("m", inputs=[], heads=heads)
    encoder = fit(rows, {"x": NUMBER}, ["x"])
    torch.manual_seed(0)
    network = make_network(model, encoder).eval()
    return (
        Learner(model, network, encoded(Inputs(encoder), rows), label_columns(heads, rows))
        .loss(torch.arange(64))
        .item()
    )


def test_losses_are_summed_by_their_weights():
    both = loss(sf.Binary(A), sf.Binary(B))
    assert loss(sf.Binary(A, weight=3), sf.Binary(B, weight=3)) == pytest.approx(3 * both, rel=1e-5)
    first = loss(sf.Binary(A, weight=2), sf.Binary(B)) - both
    assert loss(sf.Binary(A, weight=0.5), sf.Binary(B)) == pytest.approx(both - first / 2, rel=1e-5)


@pytest.mark.parametrize("weight", [0, -1, float("inf"), True])
def test_a_weight_that_is_none_is_refused(weight):
    for head in (sf.Binary, sf.OneOf, sf.AnyOf, sf.Regression):
        with pytest.raises(InvalidField, match=f"{head.__name__}.weight must be above 0"):
            head(A, weight=weight)
