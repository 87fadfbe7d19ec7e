"""Writing: byte-equal, all or nothing, and clear about disks that cannot be written."""

import errno
import json
import os
import signal
import subprocess
import sys
import tempfile

import numpy as np
import pytest
import sklearn.datasets

from redoubt import data
from redoubt.data import disk
from redoubt.errors import RedoubtError


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def full_disk(monkeypatch, after, code=errno.ENOSPC):
    """Writing fails at the array after the first `after` ones."""
    write, count = np.lib.format.write_array_header_1_0, iter(range(100))

    def failing(stream, header):
        if next(count) == after:
            raise OSError(code, os.strerror(code))
        write(stream, header)

    monkeypatch.setattr(np.lib.format, "write_array_header_1_0", failing)


def test_digits_are_the_scikit_learn_ones_with_counts_as_bytes(digits):
    bunch = sklearn.datasets.load_digits()
    prepared = data.load(digits)
    for name, n in (("train", 1097), ("validation", 200), ("test", 500)):
        split = prepared.split(name)
        assert split.images.shape == (n, 1, 8, 8)
        assert split.part == "all"
        assert np.array_equal(split.labels, bunch.target[split.indices])
        assert np.array_equal(np.rint(split.images[:, 0] * (16 / 255)), bunch.images[split.indices])
    assert prepared.split("train").images.max() == 255
    assert prepared.record["source"] == "embedded"


def test_every_image_is_in_exactly_one_split(digits):
    found = [data.load(digits).split(name).indices for name in ("train", "validation", "test")]
    assert sorted(np.concatenate(found).tolist()) == list(range(1797))


def test_other_digits_than_the_known_ones_are_refused(tmp_path, monkeypatch):
    bunch = sklearn.datasets.load_digits()
    bunch.images[3, 4, 4] += 1
    monkeypatch.setattr(sklearn.datasets, "load_digits", lambda: bunch)
    with pytest.raises(RedoubtError, match="not the known ones"):
        data.prepare("digits", tmp_path / "digits")


def test_equal_arguments_give_equal_bytes_wherever_they_are_written(digits, tmp_path):
    data.prepare("digits", tmp_path / "a path/with spaces")
    assert contents(tmp_path / "a path/with spaces") == contents(digits)
    assert os.listdir(tmp_path / "a path") == ["with spaces"]


def test_another_seed_is_another_data_set(digits, tmp_path):
    record = data.prepare("digits", tmp_path / "digits", seed=1)
    assert record["sha256"] != data.load(digits).sha256


def test_sizes_are_parameters(tmp_path):
    record = data.prepare("digits", tmp_path / "digits", test=20, validation=0, train=30)
    assert {k: v["n"] for k, v in record["splits"].items()} == {"train": 30, "validation": 0, "test": 20}
    assert len(data.load(tmp_path / "digits").split("validation").tensors()[0]) == 0


def test_the_record_describes_what_was_written(digits):
    record = json.loads((digits / "record.json").read_text())
    assert record == data.load(digits).record
    for name, summary in record["splits"].items():
        split = data.load(digits).split(name)
        assert summary["class_counts"] == np.bincount(split.labels, minlength=10).tolist()
        assert summary["indices_sha256"] == split.sha256
    assert str(digits.parent) not in json.dumps(record)


def test_a_mirror_is_not_needed_for_embedded_data(tmp_path):
    assert data.prepare("digits", tmp_path / "digits", mirror=tmp_path / "nowhere")["source"] == "embedded"


def test_an_older_set_is_replaced_and_an_empty_folder_filled(digits, tmp_path):
    folder = tmp_path / "digits"
    folder.mkdir()
    data.prepare("digits", folder, seed=5)
    data.prepare("digits", folder)
    assert contents(folder) == contents(digits)
    assert os.listdir(tmp_path) == ["digits"]


def test_a_folder_with_other_files_is_never_replaced(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis/chapter1.tex").write_text("years of work")
    with pytest.raises(RedoubtError, match="not part of a prepared data set") as error:
        data.prepare("digits", tmp_path / "thesis")
    assert error.value.file == tmp_path / "thesis/chapter1.tex"
    assert contents(tmp_path / "thesis") == {"chapter1.tex": b"years of work"}
    assert os.listdir(tmp_path) == ["thesis"]


@pytest.mark.parametrize("after", [0, 4, 8])
def test_a_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch, after):
    full_disk(monkeypatch, after)
    with pytest.raises(RedoubtError, match="no space left on the device") as error:
        data.prepare("digits", tmp_path / "digits")
    assert error.value.file == tmp_path / "digits"
    assert os.listdir(tmp_path) == []


def test_a_full_disk_does_not_lose_the_older_set(tmp_path, monkeypatch):
    before = data.prepare("digits", tmp_path / "digits")
    full_disk(monkeypatch, 5)
    with pytest.raises(RedoubtError, match="no space left"):
        data.prepare("digits", tmp_path / "digits", seed=1)
    assert data.load(tmp_path / "digits").record == before
    assert os.listdir(tmp_path) == ["digits"]


def test_a_read_only_place_is_one_clear_error(tmp_path, monkeypatch):
    def refuse(**kwargs):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    with pytest.raises(RedoubtError, match="read-only") as error:
        data.prepare("digits", tmp_path / "digits")
    assert str(tmp_path) in error.value.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_real_read_only_folder(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(RedoubtError, match="read-only"):
        data.prepare("digits", tmp_path / "digits")
    tmp_path.chmod(0o700)


@pytest.mark.parametrize("place", ["file", "file/digits"])
def test_a_file_where_the_folder_should_be(tmp_path, place):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RedoubtError, match="a file"):
        data.prepare("digits", tmp_path / place)
    assert contents(tmp_path) == {"file": b"mine"}


def test_a_failed_renaming_puts_the_older_set_back(tmp_path, monkeypatch):
    before = data.prepare("digits", tmp_path / "digits")
    rename, count = os.rename, iter(range(10))

    def failing(source, target):
        if next(count) == 1:
            raise OSError(errno.EACCES, "Permission denied")
        rename(source, target)

    monkeypatch.setattr(os, "rename", failing)
    monkeypatch.setattr(disk, "_exchanged", lambda one, other: False)  # as elsewhere than on Linux
    with pytest.raises(RedoubtError, match="permission denied"):
        data.prepare("digits", tmp_path / "digits", seed=1)
    assert data.load(tmp_path / "digits").record == before


def test_killed_in_the_middle_nothing_appears_and_the_next_run_works(digits, tmp_path, monkeypatch):
    code = (
        "import os, signal, sys, numpy as np, redoubt.data as d\n"
        "write, left = np.lib.format.write_array_header_1_0, [4]\n"
        "def dying(*a):\n"
        "    left[0] -= 1\n"
        "    if not left[0]: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    write(*a)\n"
        "np.lib.format.write_array_header_1_0 = dying\n"
        "d.prepare('digits', sys.argv[1])\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "digits")], check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".digits.partial-")
    with pytest.raises(RedoubtError, match="not prepared"):
        data.load(tmp_path / "digits")
    data.prepare("digits", tmp_path / "digits")
    assert contents(tmp_path / "digits") == contents(digits)
    monkeypatch.setattr(disk, "ABANDONED_S", -1)
    data.prepare("digits", tmp_path / "digits")
    assert os.listdir(tmp_path) == ["digits"]
