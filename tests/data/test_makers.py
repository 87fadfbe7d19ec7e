"""The real reading code, on small archives in the makers' formats."""

import gzip
import hashlib
import shutil

import numpy as np
import pytest
import torchvision.datasets as sets

from redoubt import data
from redoubt.data import makers
from redoubt.errors import RedoubtError
from tests.data import fake_archives as fakes


def images_of(dataset, truth, layout="NHWC"):
    """Asserts that every split holds exactly the images and labels that its indices name."""
    for name in ("train", "validation", "test"):
        split = dataset.split(name)
        images, labels = truth["test" if name == "test" else "train"]
        images = images[split.indices]
        images = images[:, None] if layout == "NHW" else images.transpose(0, 3, 1, 2)
        assert np.array_equal(split.images, images)
        assert np.array_equal(split.labels, labels[split.indices])
    return dataset


@pytest.mark.usefixtures("no_network")
def test_mnist_from_the_four_gzipped_files(tmp_path, monkeypatch):
    truth = fakes.mnist(tmp_path / "mirror/mnist", monkeypatch)
    record = data.prepare("mnist", tmp_path / "mnist", mirror=tmp_path / "mirror", validation=20)
    assert record["source"] == "mirror"
    assert [entry["file"] for entry in record["read"]] == [name for name, _ in sets.MNIST.resources]
    assert [entry["md5"] for entry in record["read"]] == [md5 for _, md5 in sets.MNIST.resources]
    images_of(data.load(tmp_path / "mnist"), truth, "NHW")


@pytest.mark.usefixtures("no_network")
def test_test_images_alone_need_no_training_files_and_no_particular_gzip_header(tmp_path, monkeypatch):
    folder = tmp_path / "mirror/fashion_mnist"
    images, labels = fakes.mnist(folder, monkeypatch, sets.FashionMNIST)["test"]
    held = {path: gzip.decompress(path.read_bytes()) for path in folder.glob("t10k-*")}
    for path in folder.glob("train-*"):
        path.unlink()
    for path, content in held.items():
        path.write_bytes(gzip.compress(content, mtime=1))

    def prepare(**sizes):
        return data.prepare("fashion_mnist", tmp_path / "set", mirror=tmp_path / "mirror", **sizes)

    with pytest.raises(RedoubtError, match="wrong checksum"):
        prepare(train=0, validation=0)
    known = {path.name: hashlib.sha256(content).hexdigest() for path, content in held.items()}
    monkeypatch.setattr(makers, "FASHION_MNIST", known)
    record = prepare(train=0, validation=0)
    assert {name: split["n"] for name, split in record["splits"].items()} == {
        "train": 0,
        "validation": 0,
        "test": len(images),
    }
    test = data.load(tmp_path / "set").split("test")
    assert np.array_equal(test.images[:, 0], images)
    assert np.array_equal(test.labels, labels)
    with pytest.raises(RedoubtError, match="train-images"):
        prepare(train=0, validation=20)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
@pytest.mark.parametrize("form", ["archive", "batches"])
@pytest.mark.parametrize("inside", ["", "named"])
def test_cifar_from_the_archive_and_from_its_batches(tmp_path, monkeypatch, name, form, inside):
    folder = tmp_path / "mirror" / (name if inside else "")
    truth = fakes.cifar(folder, monkeypatch, name)
    kind = {"cifar10": sets.CIFAR10, "cifar100": sets.CIFAR100}[name]
    if form == "archive":
        shutil.rmtree(folder / kind.base_folder)
    else:
        (folder / kind.filename).unlink()
    record = data.prepare(name, tmp_path / name, mirror=tmp_path / "mirror", validation=100)
    assert record["copy"] is None
    assert len(record["read"]) == (1 if form == "archive" else len(kind.train_list) + 2)
    images_of(data.load(tmp_path / name), truth)


@pytest.mark.usefixtures("no_network")
def test_a_damaged_cifar_batch_is_refused(tmp_path, monkeypatch):
    fakes.cifar(tmp_path / "mirror", monkeypatch, "cifar100")
    batch = tmp_path / "mirror/cifar-100-python/train"
    batch.write_bytes(batch.read_bytes()[:-1])
    with pytest.raises(RedoubtError, match="wrong checksum") as error:
        data.prepare("cifar100", tmp_path / "cifar100", mirror=tmp_path / "mirror")
    assert error.value.file == batch
    batch.unlink()
    with pytest.raises(RedoubtError, match="No such file"):
        data.prepare("cifar100", tmp_path / "cifar100", mirror=tmp_path / "mirror")


@pytest.mark.usefixtures("no_network")
def test_svhn_from_its_mat_files_with_the_digit_0_labeled_0(tmp_path, monkeypatch):
    truth = fakes.svhn(tmp_path / "mirror/svhn", monkeypatch)
    data.prepare("svhn", tmp_path / "svhn", mirror=tmp_path / "mirror", validation=20)
    images_of(data.load(tmp_path / "svhn"), truth)


def near(images, colors):
    """Whether images of one color each have, after JPEG, the colors that they were made with."""
    values = images.reshape(*images.shape[:2], -1).astype(int)
    return np.abs(values - colors[:, :, None]).max() <= 3


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(("size", "edition"), [(None, "160px"), (16, "160px"), (161, "320px"), (321, "full")])
def test_imagenette_is_squared_from_the_smallest_edition_that_is_large_enough(
    tmp_path, monkeypatch, size, edition
):
    truth = fakes.imagenette(tmp_path / "mirror/imagenette", monkeypatch, edition)
    record = data.prepare(
        "imagenette", tmp_path / "set", mirror=tmp_path / "mirror", validation=10, image_size=size
    )
    assert edition in record["pixels"]
    prepared = data.load(tmp_path / "set")
    assert prepared.info.image_size == (size or 160)
    for name in ("train", "validation", "test"):
        split = prepared.split(name)
        colors, labels = truth["test" if name == "test" else "train"]
        assert split.images.shape[1:] == (3, size or 160, size or 160)
        assert near(split.images, colors[split.indices])
        assert np.array_equal(split.labels, labels[split.indices])


def test_a_picture_is_cropped_to_its_center():
    from PIL import Image

    from redoubt.data.pictures import square

    wide = np.zeros((4, 10, 3), np.uint8)
    wide[:, 3:7] = 200
    assert (square(Image.fromarray(wide), 4) == 200).all()
    assert (square(Image.fromarray(wide.transpose(1, 0, 2)), 4) == 200).all()
    assert square(Image.fromarray(wide[:4, :4]), 4).tolist() == wide[:4, :4].transpose(2, 0, 1).tolist()


@pytest.mark.usefixtures("no_network")
def test_tiny_imagenet_from_its_zip(tmp_path, monkeypatch):
    truth = fakes.tiny(tmp_path / "mirror", monkeypatch)
    record = data.prepare("tiny_imagenet", tmp_path / "tiny", mirror=tmp_path / "mirror", validation=200)
    prepared = data.load(tmp_path / "tiny")
    assert prepared.info.class_names == tuple(f"thing {wnid}" for wnid in sorted(truth["ids"]))
    assert {k: v["n"] for k, v in record["splits"].items()} == {"train": 200, "validation": 200, "test": 200}
    for name in ("train", "validation", "test"):
        split = prepared.split(name)
        colors, labels = truth["test" if name == "test" else "train"]
        assert near(split.images, colors[split.indices])
        assert np.array_equal(split.labels, labels[split.indices])


@pytest.mark.parametrize(("name", "size"), [("cifar10", 64), ("tiny_imagenet", 32), ("imagenette", 0)])
def test_a_size_that_the_images_do_not_have_is_refused_before_anything_is_read(tmp_path, name, size):
    with pytest.raises(RedoubtError) as error:
        data.prepare(name, tmp_path / "set", image_size=size)
    assert error.value.key == "image_size"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("no_network")
def test_files_with_other_content_than_the_data_set_are_refused(tmp_path, monkeypatch):
    """Fine checksum, wrong content: CIFAR-100's images under CIFAR-10's name."""
    fakes.cifar(tmp_path / "mirror", monkeypatch, "cifar100")
    for attribute in ("base_folder", "filename", "tgz_md5", "train_list", "test_list", "meta"):
        monkeypatch.setattr(sets.CIFAR10, attribute, getattr(sets.CIFAR100, attribute))
    with pytest.raises(RedoubtError, match="not what this data set holds"):
        data.prepare("cifar10", tmp_path / "cifar10", mirror=tmp_path / "mirror")


@pytest.mark.shared_data
def test_real_mnist(tmp_path, mirror):
    record = data.prepare("mnist", tmp_path / "mnist", mirror=mirror)
    assert (record["source"], record["copy"]) == ("mirror", None)
    assert {k: v["n"] for k, v in record["splits"].items()} == {
        "train": 59000,
        "validation": 1000,
        "test": 10000,
    }
    test = data.load(tmp_path / "mnist").split("test")
    assert test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert test.images.mean() / 255 == pytest.approx(0.1325, abs=1e-4)


@pytest.mark.shared_data
def test_real_fashion_mnist_and_the_images_of_verifiers(tmp_path, mirror):
    first = {
        "fashion_mnist": [9, 2, 1, 1, 6, 1, 4, 6, 5, 7],
        "sdp_mnist": [6, 4, 9, 1],
        "sdp_cifar10": [3, 9, 1, 4],
    }
    for name, labels in first.items():
        data.prepare(name, tmp_path / name, mirror=mirror, train=0, validation=0)
        test = data.load(tmp_path / name).split("test")
        assert test.labels[: len(labels)].tolist() == labels
        assert len(test) == (10000 if name == "fashion_mnist" else 200)
