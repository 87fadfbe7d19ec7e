"""The networks of studies/published_*.yaml as their makers left them: the natural accuracies that they print."""

import pytest
import torch

from redoubt import attacks, data
from redoubt.config import load_study, resolve
from redoubt.training.adoption import training_of
from redoubt.training.checkpoints import Checkpoints
from tests.conftest import REPO

# Right of all test images. Another normalization, channel order or layout gives another count.
NATURAL = {
    "published_trades_mnist/external/trades": 9948,
    "published_convex_mnist/external/convex": 9820,
    "published_convex_fashion_mnist/external/convex": 7827,
    "published_sdp_mnist/external/adv": 195,
    "published_sdp_cifar10/external/adv": 140,
    "published_sdp_cifar10/external/adv4": 115,
    "published_sdp_cifar10/external/mix": 158,
    "published_sdp_cifar10/external/mix4": 149,
}
EXACT = 676  # of the first 1,000 images of Fashion-MNIST


@pytest.fixture(scope="module")
def fetched(tmp_path_factory, mirror):
    """Every network of the studies with its study and test images."""
    root, found = tmp_path_factory.mktemp("published"), {}
    for file in sorted((REPO / "studies").glob("published_*.yaml")):
        study = load_study(file)
        folder = root / "data" / study.name
        data.prepare(study.data.name, folder, mirror=mirror, validation=0, train=0)
        images = data.load(folder)
        x, y = images.split("test").tensors()
        for variant in resolve(study):
            training_of(root, variant.run(0), images, "cpu", mirror).train()
            model = Checkpoints(root, variant.run(0)).deployed()
            found[variant.path] = study, model, data.to_float(x), y
    return found


@pytest.mark.shared_data
def test_natural_accuracies_are_the_published_ones(fetched):
    right = {}
    for path, (_, model, x, y) in fetched.items():
        with torch.no_grad():
            right[path] = int((torch.cat([model(part).argmax(1) for part in x.split(500)]) == y).sum())
    assert right == NATURAL


@pytest.mark.shared_data
def test_an_attack_never_reports_less_than_the_exact_number(fetched):
    study, model, x, y = fetched["published_convex_fashion_mnist/external/convex"]
    assert study.defenses["external"].variants["convex"].published.proven.robust == EXACT / 10
    shared = {"eps": study.threat.eps, "norm": "linf", "seed": 0, "steps": 40}
    bits = attacks.get("pgd")(model, x[:1000], y[:1000], **shared, restarts=2).correct
    assert EXACT <= int(bits.sum()) <= EXACT + 20
