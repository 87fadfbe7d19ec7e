"""CKA against its formula written out entry by entry, and what it must not depend on."""

import numpy as np
import pytest
import torch
from torch import nn

from redoubt.models import classifier
from redoubt.reports.analysis.activations import activations
from redoubt.reports.analysis.cka import hsic, kernels, minibatch_cka, natural_against_adversarial


def literal_hsic(k: np.ndarray, m: np.ndarray) -> float:
    """Song et al. 2012, equation 5, with matrices and vectors as printed there."""
    n = len(k)
    k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
    one = np.ones(n)
    total = np.trace(k @ m) + one @ k @ one * (one @ m @ one) / ((n - 1) * (n - 2))
    return (total - 2 / (n - 2) * one @ k @ m @ one) / (n * (n - 3))


def drawn(seed: int, n: int = 12, d: int = 5) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def of(a: torch.Tensor, b: torch.Tensor) -> float:
    return minibatch_cka([({"a": a}, {"b": b})]).item()


def test_hsic_is_the_printed_formula():
    k, m = kernels({"a": drawn(0), "b": drawn(1, d=9)})
    assert hsic(k, m).item() == pytest.approx(literal_hsic(k.numpy(), m.numpy()), rel=1e-12)


def test_hsic_is_unbiased_for_unrelated_features():
    values = [
        hsic(*kernels({"a": drawn(2 * i, 8, 3), "b": drawn(2 * i + 1, 8, 3)})).item() for i in range(400)
    ]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(len(values))


def test_too_few_examples_are_refused():
    with pytest.raises(ValueError, match="at least 4"):
        hsic(torch.eye(3), torch.eye(3))


def test_cka_sees_no_rotation_scale_or_shift():
    a = drawn(0)
    rotation = torch.linalg.qr(drawn(3, 5, 5)).Q
    assert of(a, a) == pytest.approx(1)
    assert of(a, 3 * a @ rotation + 2) == pytest.approx(1, abs=1e-9)
    stretched = a * torch.tensor([5.0, 1, 1, 1, 1], dtype=torch.float64)
    assert of(a, stretched) < 0.95


def test_batches_average_hsic_and_then_normalize():
    pairs = [(drawn(i), drawn(i + 10)) for i in (0, 1)]
    literal = lambda x, y: np.mean(
        [literal_hsic(*(v.numpy() for v in kernels({"a": p[x], "b": p[y]}))) for p in pairs]
    )
    expected = literal(0, 1) / np.sqrt(literal(0, 0) * literal(1, 1))
    assert minibatch_cka([({"a": a}, {"b": b}) for a, b in pairs]).item() == pytest.approx(
        expected, rel=1e-10
    )


def test_the_map_of_a_network_without_an_attack_is_one_on_its_diagonal():
    model = classifier("small_cnn", num_classes=10, in_channels=1, image_size=8, width=2)
    x = torch.rand(23, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    names, found = natural_against_adversarial(model, x, x, batch_size=10)
    layers = [f"stages.{stage}.{i}" for stage in ("stem", "block1", "block2") for i in range(3)]
    assert names == [*layers, "head"]  # convolution, batch norm and ReLU of each stage
    assert np.diag(found) == pytest.approx(np.ones(len(names)))
    assert found == pytest.approx(found.T)


def test_activations_are_those_before_an_in_place_relu_and_leave_no_hook():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(inplace=True))
    x = torch.rand(4, 1, 5, 5)
    nn.init.constant_(model[0].bias, -0.5)
    kept = activations(model, x)
    assert torch.equal(kept["0"], model[0](x).flatten(1))
    assert (kept["0"] < 0).any()
    assert torch.equal(kept["1"], kept["0"].relu())
    assert not model[0]._forward_hooks
