import json

import numpy as np
import pytest

from redoubt import data
from redoubt.errors import RedoubtError
from tests.data import fake_archives as fakes

MISSING = {"train": [0, 7, 250], "test": [199]}
pytestmark = pytest.mark.usefixtures("no_network")


def test_missing_images_are_left_out_and_the_record_says_so(tmp_path):
    truth = fakes.compact(tmp_path / "mirror/cifar10", MISSING)
    record = data.prepare("cifar10", tmp_path / "set", mirror=tmp_path / "mirror", validation=50)
    prepared = data.load(tmp_path / "set")
    assert prepared.copy == record["copy"]
    assert record["copy"].startswith("496 of 500 images exact (3 train and 1 test images missing")
    assert record["copy"].endswith("n=199 test")
    assert {k: v["n"] for k, v in record["splits"].items()} == {"train": 247, "validation": 50, "test": 199}
    for name in ("train", "validation", "test"):
        split, part = prepared.split(name), "test" if name == "test" else "train"
        assert not set(split.indices.tolist()) & set(MISSING[part])
        images, labels = truth[part]
        assert np.array_equal(split.images, images[split.indices].transpose(0, 3, 1, 2))
        assert np.array_equal(split.labels, labels[split.indices])


def test_a_complete_mirror_needs_no_remark_and_may_be_named_itself(tmp_path):
    fakes.compact(tmp_path / "cifar10", {"train": [], "test": []})
    record = data.prepare("cifar10", tmp_path / "set", mirror=tmp_path / "cifar10", validation=50)
    assert record["copy"] is None


def test_the_makers_archive_is_preferred_to_the_compact_form(tmp_path, monkeypatch):
    fakes.compact(tmp_path / "mirror/cifar10", MISSING)
    fakes.cifar(tmp_path / "mirror", monkeypatch, "cifar10")
    record = data.prepare("cifar10", tmp_path / "set", mirror=tmp_path / "mirror", validation=50)
    assert record["copy"] is None


def test_images_of_another_data_set_are_not_taken_for_this_one(tmp_path):
    fakes.compact(tmp_path / "cifar10", MISSING)
    with pytest.raises(RedoubtError, match=r"cifar-100-python\.tar\.gz"):
        data.prepare("cifar100", tmp_path / "set", mirror=tmp_path / "cifar10")


@pytest.mark.parametrize("name", ["train_0.webp", "test_0.webp", "labels.npz", "decoded.json"])
@pytest.mark.parametrize("how", ["truncated", "absent", "unlisted"])
def test_a_damaged_mirror_is_refused_by_the_name_of_the_file(tmp_path, name, how):
    folder = tmp_path / "mirror/cifar10"
    fakes.compact(folder, MISSING)
    path, sums = folder / name, folder / "SHA256SUMS"
    if how == "truncated":
        path.write_bytes(path.read_bytes()[:-10])
    elif how == "absent":
        path.unlink()
    else:
        sums.write_text("".join(row for row in sums.read_text().splitlines(True) if name not in row))
    with pytest.raises(RedoubtError) as error:
        data.prepare("cifar10", tmp_path / "set", mirror=tmp_path / "mirror")
    assert error.value.file == path
    assert "copy the mirror again" in error.value.hint
    assert [p.name for p in tmp_path.iterdir()] == ["mirror"]


def test_truncated_sums_are_refused(tmp_path):
    folder = tmp_path / "mirror/cifar10"
    fakes.compact(folder, MISSING)
    (folder / "SHA256SUMS").write_text((folder / "SHA256SUMS").read_text()[:100])
    with pytest.raises(RedoubtError, match="cifar10"):
        data.prepare("cifar10", tmp_path / "set", mirror=tmp_path / "mirror")


def test_images_that_do_not_match_decoded_json_are_refused(tmp_path):
    folder = tmp_path / "mirror/cifar10"
    fakes.compact(folder, MISSING)
    decoded = json.loads((folder / "decoded.json").read_text())
    (folder / "decoded.json").write_text(json.dumps({**decoded, "test_x": "0" * 64}))
    fakes.write_sums(folder)
    with pytest.raises(RedoubtError, match="decoded test images"):
        data.prepare("cifar10", tmp_path / "set", mirror=tmp_path / "mirror")


def test_an_empty_image_that_is_not_listed_as_missing_is_refused(tmp_path):
    folder = tmp_path / "mirror/cifar10"
    fakes.compact(folder, MISSING)
    labels = dict(np.load(folder / "labels.npz"))
    np.savez(folder / "labels.npz", **{**labels, "train_missing": np.array([0, 7])})
    fakes.write_sums(folder)
    with pytest.raises(RedoubtError, match="empty train image"):
        data.prepare("cifar10", tmp_path / "set", mirror=tmp_path / "mirror")


@pytest.mark.shared_data
def test_real_cifar10(tmp_path, mirror):
    record = data.prepare("cifar10", tmp_path / "set", mirror=mirror)
    assert record["copy"].startswith("59,828 of 60,000 images exact (140 train and 32 test images missing")
    prepared = data.load(tmp_path / "set")
    sizes = {name: len(prepared.split(name)) for name in ("train", "validation", "test")}
    assert sizes == {"train": 48860, "validation": 1000, "test": 9968}
    train = prepared.split("train")
    mean = train.images.mean(axis=(0, 2, 3), dtype=np.float64) / 255
    assert mean == pytest.approx([0.4914, 0.4822, 0.4465], abs=1e-3)  # the means every CIFAR-10 recipe uses
    assert all(prepared.split(name).images.any(axis=(1, 2, 3)).all() for name in sizes)
    labels = np.load(mirror / "cifar10/labels.npz")
    test = prepared.split("test")
    assert np.array_equal(test.labels, labels["test_y"][test.indices])
    assert not set(test.indices.tolist()) & set(labels["test_missing"].tolist())
