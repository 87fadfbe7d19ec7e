"""The contract of a classifier, over all of them."""

import pytest
import torch
import torch.nn.functional as F

from redoubt import models
from redoubt.errors import RedoubtError

# name: (classes, channels, side, published parameters, where that count stands)
PUBLISHED = {
    "lenet5": (10, 1, 28, 61_706, "LeNet-5 on 32x32 or padded 28x28 images, the third layer fully connected"),
    "preactresnet18": (
        10,
        3,
        32,
        11_172_170,
        "locuslab/robust_overfitting's network, with its last batch norm",
    ),
    "resnet18": (10, 3, 32, 11_173_962, "kuangliu/pytorch-cifar's network"),
    "resnet34": (1000, 3, 224, 21_797_672, "torchvision's table"),
    "resnet50": (1000, 3, 224, 25_557_032, "torchvision's table"),
    "resnet101": (1000, 3, 224, 44_549_160, "torchvision's table"),
    "wrn": (10, 3, 32, 36_479_194, "28-10: Zagoruyko and Komodakis 2016, table 4: 36.5 M"),
    "wrn28_10": (10, 3, 32, 36_479_194, "Zagoruyko and Komodakis 2016, table 4: 36.5 M"),
    "wrn34_10": (10, 3, 32, 46_160_474, "TRADES' network: 46.2 M"),
    "wrn70_16": (10, 3, 32, 266_796_506, "Gowal et al. 2020: 267 M"),
    "vgg19": (1000, 3, 224, 143_678_248, "torchvision's table, vgg19_bn"),
    "trades_small_cnn": (10, 1, 28, 312_202, "the published checkpoint on MNIST"),
    "cnn_a": (10, 1, 28, 166_406, "the published checkpoints on MNIST and Fashion-MNIST"),
}

# Networks of every family that a laptop runs in milliseconds: (name, channels, side, options)
QUICK = [
    ("small_cnn", 1, 8, {}),
    ("small_cnn", 1, 28, {"width": 4}),
    ("small_cnn", 3, 32, {"width": 4}),
    ("lenet5", 1, 28, {}),
    ("lenet5", 1, 32, {}),
    ("preactresnet18", 1, 8, {"width": 8}),
    ("preactresnet18", 3, 32, {"width": 8}),
    ("preactresnet18", 3, 64, {"width": 8}),
    ("resnet18", 1, 28, {}),
    ("resnet18", 3, 32, {"stem": "unpadded"}),
    ("resnet18", 3, 64, {"stem": "strided"}),
    ("resnet18", 3, 64, {"window": 4}),
    ("resnet18", 3, 32, {"stem": "unpadded", "window": 2}),
    ("resnet18", 3, 128, {"stem": "imagenet", "window": 2}),
    ("resnet34", 1, 96, {}),
    ("resnet50", 3, 32, {"stem": "imagenet"}),
    ("resnet101", 3, 32, {"stem": "imagenet"}),
    ("wrn", 1, 8, {"depth": 10, "widen": 1}),
    ("wrn", 3, 32, {"depth": 16, "widen": 2}),
    ("wrn", 3, 64, {"depth": 10, "widen": 1}),
    ("wrn", 3, 64, {"depth": 10, "widen": 1, "window": 8}),
    ("vgg19", 1, 8, {}),
    ("vgg19", 3, 32, {"batch_norm": False}),
    ("trades_small_cnn", 1, 28, {}),
    ("trades_small_cnn", 3, 16, {}),
    ("cnn_a", 1, 28, {}),
    ("cnn_a", 3, 32, {"normalize": "cifar10_sdp"}),
]


def make(name, channels, side, given):
    torch.manual_seed(0)
    model = models.classifier(name, num_classes=7, in_channels=channels, image_size=side, **given)
    return model, torch.rand(2, channels, side, side)


@pytest.mark.parametrize(("name", "channels", "side", "given"), QUICK)
def test_contract(name, channels, side, given):
    model, x = make(name, channels, side, given)
    model.eval()
    x.requires_grad_()
    features, logits = model.features(x), model(x)
    assert logits.shape == (2, 7)
    assert features.shape == (2, model.head.in_features)
    assert torch.equal(model.head(features), logits)
    assert torch.equal(model(x), logits), "eval mode draws or updates something"
    (gradient,) = torch.autograd.grad(logits[0].sum(), x)
    assert torch.isfinite(gradient).all()
    assert gradient[0].abs().sum() > 0
    assert gradient[1].abs().sum() == 0, "in eval mode one image's logits depend on another image"


@pytest.mark.parametrize(("name", "channels", "side", "given"), QUICK)
def test_memory_format_changes_no_logit(name, channels, side, given):
    model, x = make(name, channels, side, given)
    model.eval()
    with torch.no_grad():
        plain = model(x)
        last = model.to(memory_format=torch.channels_last)(x.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(last, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "channels", "side", "given"), QUICK)
def test_blocks_cover_every_parameter_once(name, channels, side, given):
    model, _ = make(name, channels, side, given)
    held = [p for block in model.blocks().values() for m in block for p in m.parameters()]
    assert len(held) == len({id(p) for p in held}) == len(list(model.parameters()))
    assert list(model.blocks())[-1] == "head"


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameter_count_is_the_published_one(name):
    classes, channels, side, published, _ = PUBLISHED[name]
    with torch.device("meta"):
        model = models.classifier(name, num_classes=classes, in_channels=channels, image_size=side)
    assert sum(p.numel() for p in model.parameters()) == published


def test_every_name_is_tested():
    assert {name for name, *_ in QUICK} | set(PUBLISHED) == set(models.names())
    assert set(models.names()) - set(PUBLISHED) == {"small_cnn"}


def test_a_whole_step_trains_every_parameter():
    for name, channels, side, given in QUICK[::3]:
        model, x = make(name, channels, side, given)
        model.train()
        model(x).square().sum().backward()
        assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters()), name


def seen_by_the_stem(normalize, channels):
    model = models.classifier(
        "small_cnn", num_classes=10, in_channels=channels, image_size=8, normalize=normalize
    )
    x, seen = torch.rand(2, channels, 8, 8), []
    model.stages["stem"].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model(x)
    return x, seen[0]


def test_normalization_is_inside():
    x, seen = seen_by_the_stem("symmetric", 1)
    torch.testing.assert_close(seen, 2 * x - 1)
    x, seen = seen_by_the_stem(None, 1)
    assert torch.equal(seen, x)
    x, seen = seen_by_the_stem("cifar10", 3)
    torch.testing.assert_close(seen[:, 1], (x[:, 1] - 0.4822) / 0.2435)


def test_stems_keep_or_shrink_the_image():
    for stem, side in {"cifar": 64, "unpadded": 62, "strided": 16, "imagenet": 16}.items():
        model, x = make("resnet18", 3, 64, {"stem": stem})
        assert model.stages["stem"](x).shape[-1] == side
    assert models.options("resnet18") == {"stem": "auto", "window": None, "normalize": "symmetric"}


def test_windows_give_the_features_of_the_released_networks_on_tiny_imagenet():
    """AFD's RiFT_resnet.py and RiFT_wideresnet.py: avg_pool2d of 4 and 8, flattened; 2,048 and 2,560 features."""
    for name, window, features, widen in (
        ("resnet18", 4, 2048, {}),
        ("wrn", 8, 256, {"depth": 10, "widen": 1}),
    ):
        model, x = make(name, 3, 64, {"window": window, **widen})
        maps = []
        last = model.stages["pool"] if name == "resnet18" else model.stages["pool"][2]
        last.register_forward_pre_hook(lambda _, inputs, seen=maps: seen.append(inputs[0]))
        f = model.eval().features(x)
        assert f.shape[1] == model.head.in_features == features
        torch.testing.assert_close(f, F.avg_pool2d(maps[0], window).flatten(1))


@pytest.mark.parametrize(
    ("name", "channels", "side", "given", "message"),
    [
        ("wrn28-10", 3, 32, {}, "did you mean: wrn28_10"),
        ("small_cnn", 1, 8, {"widht": 3}, "did you mean: width"),
        ("resnet18", 3, 32, {"depth": 34}, "unknown option of resnet18"),
        ("resnet18", 3, 32, {"stem": "cifra"}, "did you mean: cifar"),
        ("lenet5", 1, 8, {}, "allowed: 28, 32"),
        ("wrn", 3, 32, {"depth": 29}, "allowed: 10, 16"),
        ("wrn", 3, 32, {"depth": 10, "window": 3}, "the last maps are 8x8"),
        ("small_cnn", 1, 8, {"normalize": "cifar"}, "did you mean: cifar10"),
        ("small_cnn", 1, 8, {"normalize": "cifar10"}, "have 3 channels, these have 1"),
    ],
)
def test_what_cannot_be_made_is_named(name, channels, side, given, message):
    with pytest.raises(RedoubtError, match=message):
        make(name, channels, side, given)
