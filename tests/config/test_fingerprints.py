"""Fingerprints follow what a run uses."""

import pytest

from redoubt import defenses
from redoubt.config import fingerprints
from redoubt.records.files import digest
from redoubt.records.kept import Kept


def test_a_fingerprint_holds_only_what_a_run_uses():
    one = fingerprints.training_code("pgd_at", "small_cnn")
    assert one == fingerprints.training_code("pgd_at", "small_cnn")
    assert one != fingerprints.training_code("trades", "small_cnn")
    assert one != fingerprints.training_code("pgd_at", "resnet18")


def test_the_modules_behind_a_fingerprint_are_named():
    found = fingerprints.training_modules("pgd_at", "small_cnn")
    assert {"redoubt.training.trainer", "redoubt.defenses.pgd_at", "redoubt.models.small_cnn"} <= set(found)
    assert "redoubt.defenses.trades" not in found
    assert digest(found) == fingerprints.training_code("pgd_at", "small_cnn")


def test_what_only_keeps_files_of_a_run_is_left_out():
    trained = fingerprints.training_modules("pgd_at", "small_cnn")
    attacked = fingerprints.attack_modules("pgd_at", "small_cnn", ["pgd"])
    assert "redoubt.evaluation.evaluator" in attacked
    kept = {"redoubt.training.checkpoints", "redoubt.training.parallel", "redoubt.evaluation.partial"}
    assert not kept & {*trained, *attacked}


@pytest.mark.parametrize("name", defenses.names())
def test_training_holds_the_hyper_parameters_that_planning_reads(name):
    kind = defenses.get(name)
    assert kind.Params is defenses.parameters_of(name)
    assert kind.Params.__module__ in fingerprints.training_modules(name, "small_cnn")


def test_what_a_source_says_is_kept_and_its_damage_changes_nothing(tmp_path, monkeypatch):
    file = tmp_path / "syntax.json"

    def modules():
        monkeypatch.setattr(fingerprints, "_KEPT", Kept(file))
        fingerprints._read.cache_clear()
        return fingerprints.training_modules("pgd_at", "small_cnn")

    fresh, whole = modules(), file.read_bytes()
    assert modules() == fresh
    file.write_bytes(whole.replace(b"redoubt.attacks", b"redoubt.atticks"))
    assert modules() == fresh
    assert file.read_bytes() == whole
    monkeypatch.setattr(fingerprints.ast, "parse", lambda source: pytest.fail("read again"))
    assert modules() == fresh
