"""Fingerprints follow meaning, records are whole or absent."""

import json

import pytest

from redoubt import provenance
from redoubt.errors import RedoubtError


def test_a_fingerprint_holds_only_what_a_run_uses():
    one = provenance.training_code("pgd_at", "small_cnn")
    assert one == provenance.training_code("pgd_at", "small_cnn")
    assert one != provenance.training_code("trades", "small_cnn")
    assert one != provenance.training_code("pgd_at", "resnet18")


def test_write_is_whole_or_absent(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "record.json"
    provenance.write_json(path, {"a": 1})
    assert json.loads(path.read_text()) == {"a": 1}

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(provenance.os, "replace", full)
    with pytest.raises(RedoubtError, match="No space left"):
        provenance.write_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 1}
    assert [p.name for p in path.parent.iterdir()] == ["record.json"]


def test_a_folder_that_is_a_file_is_a_clear_error(tmp_path):
    (tmp_path / "reports").write_text("")
    with pytest.raises(RedoubtError, match="cannot write"):
        provenance.write_json(tmp_path / "reports" / "x.json", {})


def test_any_changed_bit_of_a_record_is_found(tmp_path):
    path = tmp_path / "record.json"
    provenance.write_record(
        path, {"x": [1e-05, 0.1 + 0.2], "text": "é\n", "none": None, "wrong": float("nan")}
    )
    whole = path.read_bytes()
    assert provenance.read_record(path, "again")["x"] == [1e-05, 0.1 + 0.2]
    for bit in range(8 * len(whole)):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        with pytest.raises(RedoubtError, match=r"does not match its own hash|not a whole record"):
            provenance.read_record(path, "again")


def test_a_record_without_its_hash_is_refused(tmp_path):
    provenance.write_json(tmp_path / "record.json", {"a": 1})
    with pytest.raises(RedoubtError, match="does not match its own hash"):
        provenance.read_record(tmp_path / "record.json", "again")


def test_the_modules_behind_a_fingerprint_are_named():
    found = provenance.training_modules("pgd_at", "small_cnn")
    assert {"redoubt.training", "redoubt.defenses.pgd_at", "redoubt.models.small_cnn"} <= set(found)
    assert "redoubt.defenses.trades" not in found
    assert provenance.digest(found) == provenance.training_code("pgd_at", "small_cnn")
