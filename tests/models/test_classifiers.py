"""The contract of a classifier, over all of them."""

import pytest
import torch

from redoubt import models
from redoubt.errors import RedoubtError

# name: (classes, channels, side, published parameters, where that count stands)
PUBLISHED = {
    "small_cnn": (10, 1, 8, None, "ours"),
    "lenet5": (10, 1, 28, 61_706, "LeNet-5 with full connections"),
    "preactresnet18": (
        10,
        3,
        32,
        11_172_170,
        "locuslab/robust_overfitting's network, with its last batch norm",
    ),
    "resnet18": (10, 3, 32, 11_173_962, "kuangliu/pytorch-cifar's network"),
    "resnet34": (1000, 3, 224, 21_797_672, "torchvision"),
    "resnet50": (1000, 3, 224, 25_557_032, "torchvision"),
    "wrn28_10": (10, 3, 32, 36_479_194, "Zagoruyko and Komodakis 2016, table 4: 36.5 M"),
    "wrn34_10": (10, 3, 32, 46_160_474, "TRADES' network: 46.2 M"),
}


def make(name):
    classes, channels, side, *_ = PUBLISHED[name]
    torch.manual_seed(0)
    model = models.classifier(name, num_classes=classes, in_channels=channels, image_size=side).eval()
    return model, torch.rand(1, channels, side, side), classes


@pytest.mark.parametrize("name", models.names())
def test_contract(name):
    model, x, classes = make(name)
    x.requires_grad_()
    logits = model(x)
    assert logits.shape == (1, classes)
    assert torch.equal(model.head(model.features(x)), logits)
    assert model.features(x).shape == (1, model.head.in_features)
    (gradient,) = torch.autograd.grad(logits.sum(), x)
    assert torch.isfinite(gradient).all()
    assert gradient.abs().sum() > 0
    assert torch.equal(model(x), logits)


@pytest.mark.parametrize("name", models.names())
def test_parameter_count_is_the_published_one(name):
    model, _, _ = make(name)
    published = PUBLISHED[name][3]
    count = sum(p.numel() for p in model.parameters())
    assert count == published if published else count < 60_000


@pytest.mark.parametrize("name", models.names())
def test_blocks_cover_every_parameter_once(name):
    model, _, _ = make(name)
    held = [p for block in model.blocks().values() for m in block for p in m.parameters()]
    assert len(held) == len({id(p) for p in held}) == len(list(model.parameters()))


def test_normalization_is_inside():
    model, x, _ = make("small_cnn")
    seen = []
    model.stages["stem"].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model(x)
    torch.testing.assert_close(seen[0], 2 * x - 1)


def test_unknown_names_and_options():
    with pytest.raises(RedoubtError, match="did you mean: wrn28_10"):
        models.classifier("wrn28-10", num_classes=10, in_channels=3, image_size=32)
    with pytest.raises(RedoubtError, match="did you mean: width"):
        models.classifier("small_cnn", num_classes=10, in_channels=1, image_size=8, widht=3)
    with pytest.raises(RedoubtError, match="allowed: 28, 32"):
        models.classifier("lenet5", num_classes=10, in_channels=1, image_size=8)
