"""Small classifiers trained in seconds on scikit-learn's 8x8 digits: what the attacks are tested on."""

import pytest
import torch
from safetensors.torch import load_model, save_model
from sklearn.datasets import load_digits
from torch import nn

from redoubt.attacks.core.pgd_step import ascend, random_start
from redoubt.seeds import generator

TEST_IMAGES = 160


def digits() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Training and test images (N, 1, 8, 8) in [0, 1] with labels, shuffled the same way each time."""
    data = load_digits()
    order = torch.randperm(len(data.target), generator=generator("cpu", "digits of the attack tests"))
    x = torch.tensor(data.images / 16, dtype=torch.float32)[order, None]
    y = torch.tensor(data.target, dtype=torch.int64)[order]
    return x[TEST_IMAGES:], y[TEST_IMAGES:], x[:TEST_IMAGES], y[:TEST_IMAGES]


def network(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, 2 * width, 3, padding=1, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(2 * width * 16, 10),
    )


def trained(width: int, eps: float, epochs: int, seed: int) -> nn.Sequential:
    """Adversarial training with 5 linf steps; eps grows over the first half, or width 8 collapses."""
    x, y, _, _ = digits()
    g = generator("cpu", "training of the attack tests", seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = network(width)
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    for epoch in range(epochs):
        radius = eps * min(1, (epoch + 1) / (epochs / 2))
        for i in torch.randperm(len(x), generator=g).split(128):
            b, labels = x[i], y[i]
            if eps:
                loss = lambda z, labels=labels: nn.functional.cross_entropy(model(z), labels)
                start = random_start(b, "linf", radius, g)
                b = ascend(loss, b, eps=radius, step_size=radius / 3, steps=5, start=start)
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(b), labels).backward()
            optimiser.step()
    model.zero_grad()
    return model.eval()


def once(shared, width: int, eps: float, seed: int) -> nn.Sequential:
    """What `trained` gives after 12 epochs, trained by the first worker that asks."""
    torch.set_num_threads(1)
    kept = shared(
        f"width {width} eps {eps}",
        lambda f: save_model(trained(width, eps, 12, seed), f / "weights.safetensors"),
    )
    model = network(width)
    load_model(model, kept / "weights.safetensors")
    return model.eval()


@pytest.fixture(scope="session")
def robust_models(shared):
    """Three (model, x, y, eps): robust accuracy between 20 % and 80 % at the linf radius eps."""
    _, _, x, y = digits()
    settings = [(12, 0.15, 0.15), (8, 0.2, 0.2), (16, 0.1, 0.15)]
    return [(once(shared, w, train, seed), x, y, eps) for seed, (w, train, eps) in enumerate(settings)]


@pytest.fixture(scope="session")
def robust_model(robust_models):
    return robust_models[0]


@pytest.fixture(scope="session")
def undefended_model(shared):
    """(model, x, y, eps) of a network trained on clean images only: it breaks at eps."""
    _, _, x, y = digits()
    return once(shared, 12, 0.0, seed=0), x, y, 0.25
