"""What would give a wrong number without a word is refused, with the file and what to do."""

import pytest

from redoubt.audit.verify import verify

NAME = "smoke/pgd_at/main"


@pytest.mark.parametrize("command", [("train", NAME), ("attack", NAME)])
@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("train: 256", "train: 300", "data.train"),
        ("validation: 50", "validation: 40", "data.validation"),
        ("test: 60", "test: 70", "data.test"),
    ],
)
def test_images_of_other_settings(root, redoubt, command, old, new, key):
    path = root / "studies" / "smoke.yaml"
    path.write_text(path.read_text().replace(old, new))
    code, said = redoubt(*command, "--root", root, "--device", "cpu")
    assert code == 1
    for word in ("prepared with other settings", key, "data/smoke/record.json", "redoubt prepare smoke"):
        assert word in said
    assert [f.why for f in verify(root) if f.kind == "images"] == [f"other settings: {key}"]
    assert not (root / "checkpoints").exists()


def test_recording_prepares_images_of_other_settings_anew(root):
    from redoubt.config import load_study
    from redoubt.config.images import images_of
    from redoubt.workflow import record

    path = root / "studies" / "smoke.yaml"
    path.write_text(path.read_text().replace("train: 256", "train: 300"))
    record.record(root, "smoke", "cpu", minutes=0)
    assert len(images_of(root, load_study(path)).split("train")) == 300
