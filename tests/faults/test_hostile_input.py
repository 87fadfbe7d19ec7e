"""Names, paths and files that someone else wrote: nothing of them is run, nothing outside the project is touched."""

import pytest


@pytest.fixture
def outside(root, tmp_path_factory):
    """A study beside the project and not in it."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / "smoke.yaml").write_text((root / "studies" / "smoke.yaml").read_text())
    return folder


@pytest.mark.parametrize(
    "command",
    [
        ("prepare", "{}/smoke"),
        ("record", "{}/smoke", "--device", "cpu"),
        ("train", "{}/smoke/pgd_at/main", "--device", "cpu"),
        ("attack", "{}/smoke/pgd_at/main", "--device", "cpu"),
        ("pack", "{}/smoke", "parcel"),
        ("prepare", ""),
        ("prepare", "."),
        ("prepare", "a\nb"),
    ],
)
def test_a_study_outside_of_the_project(root, outside, redoubt, command):
    import os

    (root / "config.yaml").write_text("studies: {smoke: {}}")
    up = os.path.relpath(outside, root / "studies")
    before = sorted(outside.rglob("*"))
    code, said = redoubt(*(word.format(up) for word in command), "--root", root)
    assert code == 1
    assert "unknown study" in said
    assert sorted(outside.rglob("*")) == before


def test_a_view_that_the_defense_does_not_have_is_told_before_it_is_trained(root, redoubt):
    path = root / "studies" / "smoke.yaml"
    path.write_text(path.read_text().replace("{attack: fgsm}", "{attack: fgsm, view: depolyed}"))
    code, said = redoubt("train", "smoke/pgd_at/main", "--root", root, "--device", "cpu")
    assert code == 1
    for word in (
        "no such view",
        "evaluation.attacks.fgsm.view",
        "studies/smoke.yaml",
        "did you mean: deployed",
    ):
        assert word in said
    assert not (root / "checkpoints").exists()


@pytest.mark.parametrize("device", ["tpu", "cuda:x", "", "CPU"])
def test_a_device_that_does_not_exist(root, redoubt, device):
    code, said = redoubt("train", "smoke/pgd_at/main", "--root", root, "--device", device)
    assert code == 1
    assert "--device" in said
