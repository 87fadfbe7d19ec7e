"""Opening a prepared data set, untouched or not."""

import json
import shutil

import numpy as np
import pytest
import torch

from redoubt import data
from redoubt.data.writing import RECORD, files_of
from redoubt.errors import RedoubtError

FILES = [name for split in ("train", "validation", "test") for name in files_of(split)]


@pytest.fixture
def folder(digits, tmp_path):
    """A copy of the prepared digits, to be damaged."""
    return shutil.copytree(digits, tmp_path / "digits")


def edit(folder, change):
    """Changes the record by hand."""
    record = json.loads((folder / RECORD).read_text())
    change(record)
    (folder / RECORD).write_text(json.dumps(record))


def test_tensors_are_bytes_in_channels_first_order_and_free_to_be_changed(digits):
    split = data.load(digits).split("train")
    x, y = split.tensors("cpu")
    assert (x.dtype, y.dtype) == (torch.uint8, torch.int64)
    assert x.shape == (1097, 1, 8, 8)
    assert x.is_contiguous()
    x.zero_()
    assert split.images.any()
    assert np.array_equal(y, split.labels)


def test_the_stored_view_cannot_be_written_to(digits):
    with pytest.raises(ValueError, match="read-only"):
        data.load(digits).split("test").images[0] = 0


def test_info_is_that_of_the_data_set(digits):
    assert data.load(digits).info == data.describe("digits")


@pytest.mark.parametrize("name", FILES)
def test_one_changed_byte_is_noticed(folder, name):
    content = bytearray((folder / name).read_bytes())
    content[-1] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(RedoubtError, match="altered") as error:
        data.load(folder)
    assert error.value.file == folder / name
    assert error.value.hint == "redoubt prepare digits"


@pytest.mark.parametrize("name", [*FILES, RECORD])
@pytest.mark.parametrize("verify", [True, False])
def test_a_missing_or_cut_file_is_noticed_without_hashing_too(folder, name, verify):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(RedoubtError) as cut:
        data.load(folder, verify=verify)
    (folder / name).unlink()
    with pytest.raises(RedoubtError, match="is missing") as missing:
        data.load(folder, verify=verify)
    for error in (cut, missing):
        assert error.value.file == folder / name
        assert error.value.hint == "redoubt prepare digits"


def test_unverified_indices_of_the_same_size_are_still_compared(folder):
    other = np.arange(500)
    np.save(folder / "test_indices.npy", other)
    with pytest.raises(RedoubtError, match="recorded split"):
        data.load(folder, verify=False).split("test")


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r.update(copy="complete"),
        lambda r: r["splits"]["test"].update(n=501),
        lambda r: r["info"].update(num_classes=2),
        lambda r: r["files"].pop("train.npy"),
        lambda r: r.pop("files"),
        lambda r: r.update(name="mnist"),
    ],
)
def test_a_record_edited_by_hand_is_refused(folder, change):
    edit(folder, change)
    with pytest.raises(RedoubtError) as error:
        data.load(folder)
    assert error.value.file == folder / RECORD


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "\x00"])
def test_a_record_that_is_something_else_is_refused(folder, text):
    (folder / RECORD).write_text(text)
    with pytest.raises(RedoubtError, match=r"not the record of a prepared data set"):
        data.load(folder)


def test_another_schema_is_named(folder):
    edit(folder, lambda r: r.update(schema=99))
    with pytest.raises(RedoubtError, match="another version"):
        data.load(folder)


def test_a_data_set_that_was_never_prepared_names_the_command(tmp_path):
    with pytest.raises(RedoubtError, match="not prepared") as error:
        data.load(tmp_path / "mnist")
    assert error.value.hint == "redoubt prepare mnist"


def test_an_unknown_split_suggests_the_nearest(digits):
    with pytest.raises(RedoubtError) as error:
        data.load(digits).split("valid")
    assert error.value.nearest == "validation"
