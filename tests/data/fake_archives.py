"""Small random data sets in the makers' file formats; torchvision's checksums are replaced to match.

Each writes files into a folder and returns the truth: {"train": (images NHWC or NHW, labels), "test": …}.
"""

import gzip
import hashlib
import io
import json
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import scipy.io
import torchvision.datasets as sets
from PIL import Image

from redoubt.data import tiny_imagenet
from redoubt.data.compact import KNOWN


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def random_images(n, shape, seed, classes=10):
    """n random images whose labels use every class."""
    draw = np.random.default_rng(seed)
    return draw.integers(0, 256, (n, *shape), dtype=np.uint8), draw.permutation(np.arange(n) % classes)


def mnist(folder: Path, monkeypatch, kind=sets.MNIST) -> dict:
    truth = {"train": random_images(60, (28, 28), 0), "test": random_images(30, (28, 28), 1)}
    folder.mkdir(parents=True, exist_ok=True)
    resources = []
    for name, prefix in (("train", "train"), ("test", "t10k")):
        images, labels = truth[name]
        for content, array in (("images-idx3", images), ("labels-idx1", labels.astype(np.uint8))):
            path = folder / f"{prefix}-{content}-ubyte.gz"
            header = (0x0800 + array.ndim).to_bytes(4, "big")
            header += b"".join(n.to_bytes(4, "big") for n in array.shape)
            path.write_bytes(gzip.compress(header + array.tobytes(), mtime=0))
            resources.append((path.name, md5(path)))
    monkeypatch.setattr(kind, "resources", resources)
    return truth


def cifar(folder: Path, monkeypatch, name: str) -> dict:
    """The batches in their folder and the archive beside it."""
    kind, classes, key = {
        "cifar10": (sets.CIFAR10, 10, "labels"),
        "cifar100": (sets.CIFAR100, 100, "fine_labels"),
    }[name]
    batches = folder / kind.base_folder
    batches.mkdir(parents=True)
    truth, lists = {}, {}
    for seed, (split, listed) in enumerate((("train", kind.train_list), ("test", kind.test_list))):
        images, labels = random_images(200, (32, 32, 3), seed, classes)
        truth[split], lists[split] = (images, labels), []
        for rows, (filename, _) in zip(np.array_split(np.arange(200), len(listed)), listed, strict=True):
            flat = images[rows].transpose(0, 3, 1, 2).reshape(len(rows), -1)
            (batches / filename).write_bytes(pickle.dumps({"data": flat, key: labels[rows].tolist()}))
            lists[split].append([filename, md5(batches / filename)])
    meta = batches / kind.meta["filename"]
    meta.write_bytes(pickle.dumps({kind.meta["key"]: [str(i) for i in range(classes)]}))
    with tarfile.open(folder / kind.filename, "w:gz") as archive:
        archive.add(batches, kind.base_folder)
    monkeypatch.setattr(kind, "train_list", lists["train"])
    monkeypatch.setattr(kind, "test_list", lists["test"])
    monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": md5(meta)})
    monkeypatch.setattr(kind, "tgz_md5", md5(folder / kind.filename))
    return truth


def svhn(folder: Path, monkeypatch) -> dict:
    folder.mkdir(parents=True)
    truth, listed = {}, dict(sets.SVHN.split_list)
    for seed, name in enumerate(("train", "test")):
        images, labels = truth[name] = random_images(60, (32, 32, 3), seed)
        url, filename, _ = listed[name]
        theirs = np.where(labels == 0, 10, labels)[:, None].astype(np.uint8)  # SVHN labels the digit 0 as 10
        scipy.io.savemat(folder / filename, {"X": images.transpose(1, 2, 3, 0), "y": theirs})
        listed[name] = [url, filename, md5(folder / filename)]
    monkeypatch.setattr(sets.SVHN, "split_list", listed)
    return truth


def imagenette(folder: Path, monkeypatch, edition: str = "160px") -> dict:
    """Pictures of one color each, 24 x 20 pixels: color (r, g, b) of picture i of class c is known."""
    url, _ = sets.Imagenette._ARCHIVES[edition]
    folder.mkdir(parents=True)
    archive_path = folder / url.rsplit("/", 1)[1]
    root, truth = Path(url).stem, {}
    with tarfile.open(archive_path, "w:gz") as archive:
        for part, theirs, count in (("train", "train", 3), ("test", "val", 2)):
            colors, labels = [], []
            for label, wnid in enumerate(sorted(sets.Imagenette._WNID_TO_CLASS)):
                for i in range(count):
                    color = (20 * label + 20, 80 * i + 20, 100 if part == "train" else 200)
                    _add(archive, f"{root}/{theirs}/{wnid}/{wnid}_{i}.JPEG", jpeg((24, 20), color))
                    colors.append(color)
                    labels.append(label)
            truth[part] = (np.array(colors), np.array(labels))
    editions = {**sets.Imagenette._ARCHIVES, edition: (url, md5(archive_path))}
    monkeypatch.setattr(sets.Imagenette, "_ARCHIVES", editions)
    return truth


def tiny(folder: Path, monkeypatch) -> dict:
    """200 classes with two training pictures and one validation picture of one color each; some are gray."""
    folder.mkdir(parents=True)
    path = folder / tiny_imagenet.FILENAME
    ids = [f"n{i:08d}" for i in np.random.default_rng(0).permutation(200) + 1_000_000]
    truth = {"train": [], "test": []}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny-imagenet-200/wnids.txt", "\n".join(ids) + "\n")
        words = "".join(f"{wnid}\tthing {wnid}, other name\n" for wnid in ids)
        archive.writestr("tiny-imagenet-200/words.txt", words)
        rows = []
        for i, wnid in enumerate(ids):
            label = sorted(ids).index(wnid)
            for k in (10, 9):  # so that ordering by name instead of by number would be noticed
                color = (label, 10 * k, 128)
                name = f"tiny-imagenet-200/train/{wnid}/images/{wnid}_{k}.JPEG"
                archive.writestr(name, jpeg((64, 64), color))
                truth["train"].append((label, k, color))
            gray = i % 7 == 0
            color = (label,) * 3 if gray else (label, 0, 255)
            picture = jpeg((64, 64), label if gray else color, "L" if gray else "RGB")
            archive.writestr(f"tiny-imagenet-200/val/images/val_{i}.JPEG", picture)
            rows.append(f"val_{i}.JPEG\t{wnid}\t0\t0\t62\t62\n")
            truth["test"].append((label, color))
        archive.writestr("tiny-imagenet-200/val/val_annotations.txt", "".join(rows))
    monkeypatch.setattr(tiny_imagenet, "MD5", md5(path))
    train = sorted(truth["train"])
    return {
        "train": (np.array([c for _, _, c in train]), np.array([label for label, _, _ in train])),
        "test": (np.array([c for _, c in truth["test"]]), np.array([label for label, _ in truth["test"]])),
        "ids": ids,
    }


def compact(folder: Path, missing: dict, seed: int = 0, known: bool = True) -> dict:
    """A compact mirror of 300 training images (two mosaics) and 200 test images, some of them missing.

    Args:
        known: from here on it counts as compared with the maker's files.
    """
    folder.mkdir(parents=True)
    truth, labels, decoded = {}, {}, {}
    for k, (name, n) in enumerate((("train", 300), ("test", 200))):
        images, y = random_images(n, (32, 32, 3), seed + k)
        images[missing[name]] = 0
        truth[name] = (images, y)
        labels |= {f"{name}_y": y.astype(np.uint8), f"{name}_missing": np.array(missing[name], np.int64)}
        decoded[f"{name}_x"] = hashlib.sha256(images.tobytes()).hexdigest()
        for i, start in enumerate(range(0, n, 200)):
            some = images[start : start + 200]
            mosaic = some.reshape(-1, 100, 32, 32, 3).transpose(0, 2, 1, 3, 4).reshape(-1, 3200, 3)
            Image.fromarray(mosaic).save(folder / f"{name}_{i}.webp", lossless=True)
    np.savez(folder / "labels.npz", **labels)
    (folder / "decoded.json").write_text(json.dumps(decoded))
    write_sums(folder)
    if known:
        of = [hashlib.sha256(y.astype("<i8").tobytes()).hexdigest() for _, y in truth.values()]
        KNOWN.add((*decoded.values(), *of))
    return truth


def write_sums(folder: Path) -> None:
    """SHA256SUMS of every other file of a compact mirror."""
    paths = sorted(p for p in folder.iterdir() if p.name != "SHA256SUMS")
    rows = [f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.name}\n" for p in paths]
    (folder / "SHA256SUMS").write_text("".join(rows))


def jpeg(size, color, mode="RGB") -> bytes:
    stream = io.BytesIO()
    Image.new(mode, size, color).save(stream, "JPEG", quality=100, subsampling=0)
    return stream.getvalue()


def _add(archive, name, content):
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))
