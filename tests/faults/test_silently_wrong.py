"""What would give a wrong number without a word is refused, with the file and what to do."""

import errno
import json
import subprocess

import numpy as np
import pytest

from redoubt import data
from redoubt.audit.verify import verify
from redoubt.errors import RedoubtError
from redoubt.records import results
from redoubt.records.files import write_record
from redoubt.records.provenance import provenance
from tests.data import fake_archives
from tests.faults import made_up

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


def git(folder, *words):
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    done = subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.mark.parametrize("pointed", [False, True], ids=["called in", "named by GIT_DIR"])
def test_the_commit_of_another_repository(tmp_path, monkeypatch, pointed):
    (tmp_path / "a").write_text("a")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-qm", "a")
    if pointed:
        monkeypatch.setenv("GIT_DIR", str(tmp_path / ".git"))
    monkeypatch.chdir(tmp_path)
    assert provenance(0.0, "cpu")["commit"] != git(tmp_path, "rev-parse", "HEAD")


@pytest.mark.parametrize(("tracked", "known"), [(True, True), (False, False)])
def test_the_commit_is_that_of_the_code(tmp_path, monkeypatch, tracked, known):
    package = tmp_path / "src" / "redoubt"
    package.mkdir(parents=True)
    (package / "errors.py").write_text("")
    (tmp_path / "a").write_text("a")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "." if tracked else "a")
    git(tmp_path, "commit", "-qm", "a")
    monkeypatch.setattr("redoubt.records.provenance.PACKAGE", package)
    said = provenance(0.0, "cpu")
    assert (said["commit"], said["dirty"]) == (
        (git(tmp_path, "rev-parse", "HEAD"), False) if known else (None, None)
    )


@pytest.mark.parametrize(
    ("written", "dirty"),
    [("results/a.json", False), ("src/redoubt/new.py", True), ("src/redoubt/errors.py", True)],
)
def test_a_tree_differs_by_its_code_not_by_its_records(tmp_path, monkeypatch, written, dirty):
    package = tmp_path / "src" / "redoubt"
    package.mkdir(parents=True)
    (package / "errors.py").write_text("")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "a")
    (tmp_path / written).parent.mkdir(exist_ok=True)
    (tmp_path / written).write_text("differs")
    monkeypatch.setattr("redoubt.records.provenance.PACKAGE", package)
    assert provenance(0.0, "cpu")["dirty"] is dirty


@pytest.mark.parametrize(
    ("harm", "key"),
    [
        (lambda r: r["config"]["threat"].update(eps=0.3), "config.threat"),
        (lambda r: r["config"]["training"].update(epochs=3), "config.training"),
        (lambda r: r["config"]["data"].update(train=300), "config.data"),
        (lambda r: r["evaluations"][1].update(eps=0.3), "evaluations.fgsm.eps"),
        (lambda r: r["evaluations"][1].update(params={"steps": 9}), "evaluations.fgsm.params"),
        (lambda r: r["evaluations"][1].update(attack="pgd50"), "evaluations.fgsm.attack"),
        (lambda r: r["evaluations"][1].update(name="worst"), "evaluations"),
        (lambda r: r["evaluations"][1].update(name="clean"), "evaluations"),
        (lambda r: r["evaluations"].pop(0), "evaluations.0.name"),
    ],
)
def test_seeds_of_different_experiments_are_not_averaged(tmp_path, harm, key):
    folder = made_up.project(tmp_path / "project")
    files = sorted(folder.glob("results/*/*/*/seed*.json"))
    assert len(results.frame(files)) == 6
    record = json.loads(files[1].read_text())
    harm(record)
    write_record(files[1], record)
    with pytest.raises(RedoubtError) as caught:
        results.frame(files)
    assert key in str(caught.value)
    assert str(files[1]) in str(caught.value)


TOLD = {
    "half of the images": (lambda e: e["info"].update(easier_half="AAAA"), "different"),
    "forward passes": (lambda e: e.update(forward=1), "different"),
    "what a stage found": (lambda e: e["info"].update(stages=[{"name": "a", "left": 3}]), "different"),
    "seconds": (lambda e: e.update(seconds=9.0), "identical"),
    "seconds of a stage": (lambda e: e["info"].update(stages=[{"name": "a", "seconds": 3.0}]), "different"),
}


@pytest.mark.parametrize("fault", TOLD)
def test_an_audit_compares_what_attacks_say(tmp_path, fault):
    from redoubt.audit import differences, rerun

    harm, word = TOLD[fault]
    folder = made_up.project(tmp_path / "project", seeds=(0,))
    path = folder / "results" / made_up.RUN / "seed0.json"
    whole = results.read(path)
    record = json.loads(path.read_text())
    harm(record["evaluations"][1])
    found = rerun.compare({0: record}, {0: whole}, {}, {})
    found["evaluations"] = differences.evaluations(results.frame([path]), results.frame([path]))
    assert differences.verdict(found)[0] == word


def test_an_earlier_audit_stays_until_the_next_is_whole(tmp_path, monkeypatch):
    from redoubt.audit import rerun

    folder = made_up.project(tmp_path / "project", seeds=(0,))
    kept = rerun.folder(folder, made_up.RUN) / "audit.json"
    kept.parent.mkdir(parents=True)
    kept.write_text("the earlier one")
    monkeypatch.setattr(rerun, "images_of", lambda *_: None)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(rerun, "training_of", full)
    with pytest.raises(OSError, match="No space"):
        rerun.audit(folder, made_up.RUN, [0], "cpu")
    assert kept.read_text() == "the earlier one"


def test_a_mirror_does_not_certify_itself(tmp_path):
    """Noise in the compact form, every hash as it should be: what tables say under the numbers says so."""
    fake_archives.compact(tmp_path / "cifar10", {"train": [], "test": []}, seed=7, known=False)
    record = data.prepare("cifar10", tmp_path / "set", mirror=tmp_path / "cifar10", validation=50)
    assert record["copy"].startswith("500 images on the word of a mirror alone")


LABELS = {
    "no archive": b"PK no archive",
    "nothing in it": {},
    "pickled": {"train_y": np.array([object()] * 300)},
    "out of range": {"train_y": np.full(300, 10)},
    "negative": {"train_y": np.full(300, -1)},
    "no numbers": {"train_y": np.array(["a"] * 300)},
    "two dimensions": {"train_y": np.zeros((300, 2), np.int64)},
    "a single number": {"train_y": np.int64(3)},
    "missing out of range": {"train_missing": np.array([10**9])},
    "missing fractions": {"train_missing": np.array([0.5])},
}


@pytest.mark.parametrize("fault", LABELS)
def test_hostile_labels(tmp_path, fault):
    folder, harm = tmp_path / "cifar10", LABELS[fault]
    fake_archives.compact(folder, {"train": [0], "test": []})
    path = folder / "labels.npz"
    if isinstance(harm, bytes):
        path.write_bytes(harm)
    else:
        np.savez(path, allow_pickle=True, **({**np.load(path), **harm} if harm else {}))
    fake_archives.write_sums(folder)
    with pytest.raises(RedoubtError) as caught:
        data.prepare("cifar10", tmp_path / "set", mirror=folder, validation=50)
    assert "labels.npz" in str(caught.value)
    assert not (tmp_path / "set").exists()
