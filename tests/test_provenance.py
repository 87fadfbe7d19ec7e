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
