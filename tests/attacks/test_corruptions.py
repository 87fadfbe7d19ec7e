"""Corruptions at every size and severity, and the reader of the published files."""

import colorsys
import hashlib
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from redoubt import attacks
from redoubt.attacks.corruptions import ALL, EXTRA, FAMILIES, blur, corrupt, digital, families, weather
from redoubt.errors import RedoubtError

corruption = attacks.get("corruption")
SIZES = [(8, 8, 1), (28, 28, 1), (32, 32, 3), (40, 24, 3)]


def pictures(height, width, channels, n=6):
    """Smooth random images with bytes for pixels, as real ones have them."""
    rough = np.random.default_rng(0).uniform(size=(n, height, width, channels))
    smooth = ndimage.gaussian_filter(rough, (0, height / 10, width / 10, 0))
    low, high = smooth.min((1, 2, 3), keepdims=True), smooth.max((1, 2, 3), keepdims=True)
    return np.round((smooth - low) / (high - low) * 255) / 255


def test_the_families_are_those_of_cifar_10_c():
    assert (len(FAMILIES), len(EXTRA)) == (15, 4)
    assert families(3) == list(ALL)
    assert set(ALL) - set(families(1)) == {"saturate"}


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("family", ALL)
def test_every_family_works_at_every_size(family, size):
    if family not in families(size[2]):
        with pytest.raises(RedoubtError, match="no saturation"):
            corrupt(pictures(*size), family, 1, 0)
        return
    x = pictures(*size)
    change = []
    for severity in range(1, 6):
        found = corrupt(x, family, severity, 0)
        assert found.shape == x.shape
        assert found.dtype == np.float32
        assert found.min() >= 0
        assert found.max() <= 1
        assert np.abs(found * 255 - np.round(found * 255)).max() < 1e-3, "in steps of a byte"
        change.append(np.abs(found - x).mean())
    # 8x8 hides what happens within a pixel; these three do not grow with every severity in the authors' code either.
    if size[0] > 8 and family not in ("pixelate", "saturate", "elastic_transform"):
        assert change[4] > 1.1 * change[0]
    assert change[4] > 0.003


@pytest.mark.parametrize("family", ALL)
def test_the_seed_decides_everything(family):
    x = pictures(32, 32, 3)
    first = corrupt(x, family, 3, seed=1)
    np.random.default_rng().uniform(size=9)
    assert np.array_equal(first, corrupt(x, family, 3, seed=1))
    drawn = not np.array_equal(first, corrupt(x, family, 3, seed=2))
    still = {
        "brightness",
        "contrast",
        "pixelate",
        "jpeg_compression",
        "gaussian_blur",
        "defocus_blur",
        "zoom_blur",
        "saturate",
    }
    assert drawn == (family not in still)


@pytest.mark.parametrize(
    "family", ["gaussian_blur", "defocus_blur", "glass_blur", "motion_blur", "zoom_blur", "elastic_transform"]
)
def test_moving_light_leaves_a_flat_image_flat(family):
    x = np.full((3, 32, 32, 3), 100 / 255)
    for severity in range(1, 6):
        assert np.abs(corrupt(x, family, severity, 0) - x).max() <= 1.01 / 255


def test_noise_has_the_authors_spread():
    x = np.full((40, 32, 32, 3), 0.5)
    for level, spread in enumerate((0.04, 0.06, 0.08, 0.09, 0.10)):
        assert np.std(corrupt(x, "gaussian_noise", level + 1, 0)) == pytest.approx(spread, rel=0.03)
        hit = corrupt(x, "impulse_noise", level + 1, 0) != np.float32(127 / 255)
        assert hit.mean() == pytest.approx((0.01, 0.02, 0.03, 0.05, 0.07)[level], rel=0.1)
    photons = (500, 250, 100, 75, 50)
    assert np.std(corrupt(x, "shot_noise", 5, 0)) == pytest.approx((0.5 / photons[4]) ** 0.5, rel=0.03)


def test_colors_follow_hsv():
    x = pictures(8, 8, 3, n=2)
    x[0, 0, 0] = 0.4  # a grey pixel: its hue is 0, red

    def by_hand(change):
        return np.array(
            [
                [[colorsys.hsv_to_rgb(*change(*colorsys.rgb_to_hsv(*p))) for p in row] for row in im]
                for im in x
            ]
        )

    cut = lambda v: min(max(v, 0), 1)
    wanted = by_hand(lambda h, s, v: (h, s, cut(v + 0.2)))
    assert np.allclose(digital.brightness(x, 3, None), wanted)
    for level, (factor, shift) in ((0, (0.3, 0)), (4, (2.5, 0.2))):
        wanted = by_hand(lambda h, s, v, f=factor, d=shift: (h, cut(s * f + d), v))
        assert np.allclose(digital.saturate(x, level, None), wanted)


def test_zoom_is_that_of_scipy():
    x = pictures(32, 32, 3, n=1)
    for factor in (1.01, 1.25, 2.25):
        part = int(np.ceil(32 / factor))
        top = (32 - part) // 2
        middle = x[:, top : top + part, top : top + part]
        large = ndimage.zoom(middle, (1, factor, factor, 1), order=1)
        trim = (large.shape[1] - 32) // 2
        assert np.allclose(blur.zoomed(x, factor), large[:, trim : trim + 32, trim : trim + 32])


def test_jpeg_is_that_of_pillow():
    x = pictures(32, 32, 3, n=1)
    file = BytesIO()
    Image.fromarray(np.round(x[0] * 255).astype(np.uint8)).save(file, "JPEG", quality=40)
    assert np.array_equal(
        np.round(corrupt(x, "jpeg_compression", 5, 0)[0] * 255), np.asarray(Image.open(file))
    )


def test_motion_goes_along_its_direction():
    x = np.zeros((2, 9, 9, 1))
    x[:, 4, 4] = 1
    found = blur.streak(x, 6, 2, np.array([0.0, 90.0]))[..., 0]
    assert found.sum((1, 2)) == pytest.approx([1, 1], abs=0.05)
    assert (found[0, 4] > 0).sum() > 3
    assert found[0].sum(1).argmax() == 4
    assert found[0, 4].sum() == pytest.approx(found[0].sum())
    assert found[1, :, 4].sum() == pytest.approx(found[1].sum())


def test_clouds_fill_the_range_and_smooth_ones_are_smoother():
    rng = np.random.default_rng(0)
    rough, smooth = (weather.fractal(4, 32, 20, decay, rng) for decay in (1.75, 3))
    for cloud in (rough, smooth):
        assert cloud.shape == (4, 32, 20, 1)
        assert cloud.min() >= 0
        assert cloud.max() <= 1
    roughness = lambda c: np.abs(np.diff(c, axis=1)).mean() / c.std()
    assert roughness(smooth) < roughness(rough)


@pytest.mark.parametrize(
    ("family", "severity", "shape", "said"),
    [
        ("gausian_noise", 1, (1, 8, 8, 1), "did you mean: gaussian_noise"),
        ("fog", 6, (1, 8, 8, 1), "unknown severity"),
        ("fog", 1, (1, 8, 8, 2), "grey or RGB"),
        ("fog", 1, (1, 4, 4, 1), "8x8 or more"),
    ],
)
def test_bad_requests_are_refused(family, severity, shape, said):
    with pytest.raises(RedoubtError, match=said):
        corrupt(np.zeros(shape), family, severity, 0)


def test_as_an_attack_it_says_what_was_used(robust_model):
    model, x, y, _ = robust_model
    result = corruption(model, x, y, eps=0.0, family="glass_blur", severity=5)
    assert result.info == {"family": "glass_blur", "severity": 5, "source": "generated"}
    assert result.correct.float().mean() < 0.7
    assert torch.equal(result.correct, model(result.x_adv).argmax(1) == y)
    assert (result.forward, result.backward) == (len(x), 0)
    assert torch.equal(
        result.x_adv, corruption(model, x, y, eps=0.0, family="glass_blur", severity=5, batch_size=9).x_adv
    )


@pytest.fixture
def published(tmp_path):
    """Files of the published format for 20 test images: pixel = severity * 20 + place."""
    pixels = np.arange(100, dtype=np.uint8)[:, None, None, None].repeat(8, 1).repeat(8, 2)
    np.save(tmp_path / "fog.npy", pixels)
    labels = np.arange(20) % 10
    np.save(tmp_path / "labels.npy", np.tile(labels, 5))
    return tmp_path, labels


def ask(model, folder, labels, **more):
    x = torch.zeros(len(labels), 1, 8, 8)
    return corruption(model, x, torch.tensor(labels), eps=0.0, family="fog", folder=str(folder), **more)


def test_published_files_are_used_where_they_are(robust_model, published):
    folder, labels = published
    result = ask(robust_model[0], folder, labels[:7], severity=3)
    assert (result.x_adv[:, 0, 0, 0] * 255).round().tolist() == list(range(40, 47))
    sha256 = hashlib.sha256((folder / "fog.npy").read_bytes()).hexdigest()
    assert result.info == {"family": "fog", "severity": 3, "source": "published", "sha256": sha256}
    result = ask(robust_model[0], folder, np.delete(labels, [0, 3])[:5], left_out=[0, 3], severity=1)
    assert (result.x_adv[:, 0, 0, 0] * 255).round().tolist() == [1, 2, 4, 5, 6]
    (folder / "fog.npy").unlink()
    assert ask(robust_model[0], folder, labels).info["source"] == "generated"


def test_published_files_of_other_images_are_refused(robust_model, published):
    folder, labels = published
    model = robust_model[0]
    with pytest.raises(RedoubtError, match="original order"):
        ask(model, folder, labels[::-1].copy())
    with pytest.raises(RedoubtError, match="unknown severity"):
        ask(model, folder, labels, severity=6)
    np.save(folder / "fog.npy", np.zeros((100, 9, 9, 1), np.uint8))
    with pytest.raises(RedoubtError, match="corruptions of other images"):
        ask(model, folder, labels)
    np.save(folder / "fog.npy", np.zeros((99, 8, 8, 1), np.uint8))
    with pytest.raises(RedoubtError, match="not a published corruption file"):
        ask(model, folder, labels)
    (folder / "fog.npy").write_bytes(b"cut off")
    with pytest.raises(RedoubtError, match="cannot be read"):
        ask(model, folder, labels)
    (folder / "labels.npy").unlink()
    with pytest.raises(RedoubtError, match="cannot be read"):
        ask(model, folder, labels)
