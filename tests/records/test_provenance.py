"""What a record says of how it came to be."""

from pathlib import Path

from redoubt.records.provenance import provenance


def test_a_command_names_no_folder_of_this_machine(monkeypatch):
    there = Path.home() / "images"
    monkeypatch.setattr("sys.argv", ["redoubt", "record", "mnist", "--mirror", str(there), f"--root={there}"])
    assert provenance(0.0, "cpu")["command"] == "redoubt record mnist --mirror images --root=images"
