"""A small ResNet that no study knows, trained against PGD for seconds, in a file of its own; digits as an `.npz`."""

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from redoubt.attacks import get, parameters
from redoubt.evaluation import checks, probes
from redoubt.judging import suites

EPS, IMAGES = 0.1, 60
QUICK = {"steps": 8, "queries": 20, "targets": 2}


@pytest.fixture(scope="session")
def digits():
    """Training images, and `IMAGES` test images as bytes."""
    held = load_digits()
    order = np.random.default_rng(0).permutation(len(held.target))
    x = (255 * held.images[order, None] / 16).round().astype(np.uint8)
    y = held.target[order].astype(np.int64)
    return (x[:1000], y[:1000]), (x[1000 : 1000 + IMAGES], y[1000 : 1000 + IMAGES])


@pytest.fixture(scope="session")
def folder(digits, tmp_path_factory):
    """`model.py`, its weights and `digits.npz`."""
    made = tmp_path_factory.mktemp("someone's own")
    shutil.copy(Path(__file__).with_name("model.py"), made)
    module = imported(made)
    (x, y), test = digits
    torch.manual_seed(0)
    net = module.Net()
    fit(net, torch.from_numpy(x).float() / 255, torch.from_numpy(y))
    torch.save(net.state_dict(), made / "net.pt")
    np.savez(made / "digits.npz", x=test[0], y=test[1])
    return made


def imported(folder):
    spec = importlib.util.spec_from_file_location("someones_own", folder / "model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def fit(net, x, y, epochs=6):
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(64):
            net.eval()
            crafted = get("pgd")(net, x[rows], y[rows], eps=EPS, steps=4, early_stop=False).x_adv
            net.train()
            loss = nn.functional.cross_entropy(net(crafted), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


@pytest.fixture(scope="session")
def own(folder):
    """The module `model.py`."""
    return imported(folder)


@pytest.fixture(scope="module")
def quick():
    """Fewer steps, and one probe instead of a dozen: for tests that ask for files, not for strength."""
    with pytest.MonkeyPatch.context() as patched:
        for plan in (*suites.PARTS.values(), suites.MORE, suites.MORE_RANDOM, suites.BLACK_BOX):
            for name, (attack, params) in list(plan.items()):
                fewer = {
                    k: v
                    for k, v in QUICK.items()
                    if k in parameters(attack) and (k in params or k != "targets" or attack != "pgd")
                }
                patched.setitem(plan, name, (attack, {**params, **fewer}))
        line = checks.check("probe_of_a_test", 0, 1, True, "nothing was asked")
        patched.setattr(probes, "probe", lambda *_, **__: [line])
        yield


@pytest.fixture
def images(digits):
    """The test images as bytes, and their labels."""
    return digits[1]
