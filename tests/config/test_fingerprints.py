"""Fingerprints follow what a run uses."""

from redoubt.config import fingerprints
from redoubt.records.files import digest


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
