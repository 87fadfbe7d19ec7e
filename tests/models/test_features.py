"""Feature gaps and embeddings against values worked out by hand."""

import numpy as np
import pytest
import torch

from redoubt.models.features import METRICS, embed, gap, separation


def test_gaps_by_hand():
    a, b = torch.tensor([[3.0, 0.0], [1.0, 1.0]]), torch.tensor([[0.0, 4.0], [2.0, 2.0]])
    assert gap(a, b, "linf").tolist() == [4, 1]
    assert gap(a, b, "l1").tolist() == [7, 2]
    assert gap(a, b, "l2").tolist() == pytest.approx([5, 2**0.5])
    assert gap(a, b, "cosine").tolist() == pytest.approx([1, 0], abs=1e-6)


@pytest.mark.parametrize("metric", METRICS)
def test_a_feature_has_no_gap_to_itself(metric):
    a = torch.rand(3, 4)
    assert gap(a, a, metric).abs().max() < 1e-6


def test_an_unknown_metric_is_named():
    with pytest.raises(ValueError, match="linf, l1, l2, cosine"):
        gap(torch.ones(1, 1), torch.ones(1, 1), "l3")


def test_an_embedding_keeps_groups_apart_and_repeats():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 20)
    features = (rng.normal(size=(40, 6)) + 8 * y[:, None]).astype(np.float32)
    flat = embed(features, seed=1)
    assert flat.shape == (40, 2)
    assert np.array_equal(flat, embed(features, seed=1))
    assert separation(flat, y) > 0.5 > separation(flat, np.arange(40) % 2)
