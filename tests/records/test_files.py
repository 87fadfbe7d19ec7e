"""Files and records are whole or absent, and one changed bit is found."""

import json

import pytest

from redoubt.errors import RedoubtError
from redoubt.records import files


def test_write_is_whole_or_absent(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "record.json"
    files.write_json(path, {"a": 1})
    assert json.loads(path.read_text()) == {"a": 1}

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "replace", full)
    with pytest.raises(RedoubtError, match="No space left"):
        files.write_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 1}
    assert [p.name for p in path.parent.iterdir()] == ["record.json"]


def test_a_folder_that_is_a_file_is_a_clear_error(tmp_path):
    (tmp_path / "reports").write_text("")
    with pytest.raises(RedoubtError, match="cannot write"):
        files.write_json(tmp_path / "reports" / "x.json", {})


def test_any_changed_bit_of_a_record_is_found(tmp_path):
    path = tmp_path / "record.json"
    files.write_record(path, {"x": [1e-05, 0.1 + 0.2], "text": "é\n", "none": None, "wrong": float("nan")})
    whole = path.read_bytes()
    assert files.read_record(path, "again")["x"] == [1e-05, 0.1 + 0.2]
    for bit in range(8 * len(whole)):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        with pytest.raises(RedoubtError, match=r"does not match its own hash|not a whole record"):
            files.read_record(path, "again")


def test_a_record_without_its_hash_is_refused(tmp_path):
    files.write_json(tmp_path / "record.json", {"a": 1})
    with pytest.raises(RedoubtError, match="does not match its own hash"):
        files.read_record(tmp_path / "record.json", "again")
