"""What a parcel carries beside plain records: what was shipped, challenges, trainings that are not finished."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from redoubt.errors import RedoubtError
from redoubt.records import results
from redoubt.records.files import read_record, sha256, write_record
from redoubt.records.shipped import copy_of_training
from redoubt.training.checkpoints import Checkpoints
from redoubt.workflow import archive
from redoubt.workflow.ship import ship
from tests.conftest import REPO, run_of
from tests.faults import made_up
from tests.records.toy import CHECK, entry

RESULT = f"results/{made_up.RUN}/seed0.json"


@pytest.fixture
def project(tmp_path):
    return made_up.project(tmp_path / "project")


def everything(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_shipped_study(project, tmp_path):
    shutil.copytree(REPO / ".dvc", project / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp"))
    shutil.copy(REPO / "dvc.yaml", project)
    ship(project, "smoke")
    there = tmp_path / "there"
    names = archive.unpack(archive.pack(project, "smoke", tmp_path / "out"), there)
    copies = [copy_of_training(there, made_up.RUN, seed) for seed in (0, 1)]
    assert {c.relative_to(there).as_posix() for c in copies} < set(names)
    trained = [project / "checkpoints" / made_up.RUN / f"seed{seed}" / "record.json" for seed in (0, 1)]
    assert [c.read_bytes() for c in copies] == [t.read_bytes() for t in trained]


def test_a_variant_called_as_a_folder_of_records(project, tmp_path):
    record = read_record(project / RESULT, "")
    other = project / "results/smoke/pgd_at/training/seed0.json"
    write_record(other, {**record, "run": {**record["run"], "variant": "training"}})
    listing = archive.pack(project, "smoke", tmp_path / "out")
    assert "results/smoke/pgd_at/training/seed0.json" in archive.unpack(listing, tmp_path / "there")
    write_record(other, {**record, "run": {**record["run"], "variant": "another"}})
    listing = archive.pack(project, "smoke", tmp_path / "out")
    with pytest.raises(RedoubtError, match="holds a record that is none"):
        archive.unpack(listing, tmp_path / "there")


def challenged(project) -> Path:
    """A challenge to seed 0 that rests on two files."""
    record = read_record(project / RESULT, "")
    folder = project / "results" / made_up.RUN / "challenges"
    folder.mkdir()
    beside = [folder / "seed0-abc.py", folder / "seed0-abc.npz"]
    for file in beside:
        file.write_bytes(f"of {file.name}".encode())
    row = entry("challenge_abc", np.arange(60) < 30, attack="challenge", forward=60, backward=0)
    write_record(folder / "seed0-abc.json", {
        "schema": 1, "run": record["run"], "challenge": {"by": "A. Reader"},
        "files": {file.name: sha256(file) for file in beside}, "weights": record["checkpoints"]["best"]["sha256"],
        "data": {k: record["data"][k] for k in ("sha256", "indices_sha256", "n")}, "threat": record["threat"],
        "evaluations": [row], "checks": [CHECK], "provenance": made_up.PROVENANCE,
    })  # fmt: skip
    return folder / "seed0-abc.json"


def test_a_challenge_comes_with_the_files_that_it_rests_on(project, tmp_path):
    file = challenged(project)
    file.with_name("of_nobody.npz").write_bytes(b"x")
    there = tmp_path / "there"
    names = archive.unpack(archive.pack(project, "smoke", tmp_path / "out"), there)
    held = [Path(n).name for n in names if "/challenges/" in n]
    assert held == ["seed0-abc.json", "seed0-abc.npz", "seed0-abc.py"]
    assert results.read(there / RESULT)["evaluations"][-1]["name"] == "challenge_abc"


@pytest.mark.parametrize(
    "change",
    [Path.unlink, lambda f: f.write_bytes(b"another")],
    ids=["without its file", "with another file"],
)
def test_a_challenge_that_is_not_whole(project, tmp_path, monkeypatch, change):
    there, file = tmp_path / "there", challenged(project)
    change(file.with_suffix(".npz"))
    with pytest.raises(RedoubtError, match=r"no such file|not the one that its challenge rests on"):
        archive.pack(project, "smoke", tmp_path / "out")
    monkeypatch.setattr(archive, "CHALLENGES", "nowhere/{study}")
    monkeypatch.setattr(archive, "RECORDS", (*archive.RECORDS, "results/{study}/**/*.npz"))
    listing = archive.pack(project, "smoke", tmp_path / "out")
    with pytest.raises(RedoubtError, match="holds a record that is none"):
        archive.unpack(listing, there)
    assert not there.exists()


def test_a_challenge_that_rests_on_files_elsewhere(project, tmp_path):
    file = challenged(project)
    record = read_record(file, "")
    write_record(file, {**record, "files": {"../seed0.json": sha256(project / RESULT)}})
    with pytest.raises(RedoubtError, match="this is not a challenge"):
        archive.pack(project, "smoke", tmp_path / "out")


def vanishing(monkeypatch, path, leaves=lambda: None):
    """Another recorder removes this file when it is about to be read."""
    read = Path.read_bytes

    def taken(self):
        if self == path and self.exists():
            self.unlink()
            leaves()
        return read(self)

    monkeypatch.setattr(Path, "read_bytes", taken)


@pytest.mark.parametrize(
    "name", [f"results/{made_up.RUN}/seed2.partial", f"checkpoints/{made_up.RUN}/seed2/resume.pt"]
)
def test_what_another_recorder_finishes_while_it_is_read(project, tmp_path, monkeypatch, name):
    path = project / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"steps")
    vanishing(monkeypatch, path, leaves=lambda: made_up.training(project, 3))
    listing = archive.pack(project, "smoke", tmp_path / "out", weights=True)
    held = read_record(listing, "")["files"]
    assert name not in held
    assert {RESULT, f"checkpoints/{made_up.RUN}/seed3/record.json"} < set(held)


def test_a_result_that_is_removed_while_it_is_read(project, tmp_path, monkeypatch):
    vanishing(monkeypatch, project / RESULT)
    with pytest.raises(RedoubtError, match="removed while it was packed"):
        archive.pack(project, "smoke", tmp_path / "out")


def begun(root, epochs, mark="this machine", when="2026-03-01T00:00:00Z") -> Path:
    """The resume file of seed 2 after so many epochs."""
    kept = Checkpoints(root, run_of(root, "pgd_at/main", 2))
    parts = [{"started": when, "seconds": 1.0, "hardware": "a processor"}]
    kept.interrupt(mark, {"history": [{"epoch": i} for i in range(epochs)], "parts": parts})
    return kept.folder / "resume.pt"


OTHER, LATER, EARLIER = "another machine", "2027-01-01T00:00:00Z", "2025-01-01T00:00:00Z"
# epochs, mark and beginning of what lies here; the parcel's has two epochs
STAYS = {"further on": (3,), "of another mark, begun later": (1, OTHER, LATER)}
YIELDS = {
    "as far": (2,),
    "not as far": (1,),
    "begun later and not as far": (1, "this machine", LATER),
    "of another mark, begun earlier": (2, OTHER, EARLIER),
}


@pytest.mark.parametrize("here", STAYS)
def test_a_training_here_is_not_taken_back(project, tmp_path, here):
    begun(project, 2)
    listing = archive.pack(project, "smoke", tmp_path / "out", weights=True)
    begun(project, *STAYS[here])
    made_up.result(project, 1, about="made since")
    before = everything(project)
    with pytest.raises(RedoubtError, match=r"older than what is here[^$]*resume\.pt"):
        archive.unpack(listing, project)
    assert everything(project) == before


@pytest.mark.parametrize("here", YIELDS)
def test_a_training_that_is_further_on_comes_in(project, tmp_path, here):
    path = begun(project, 2)
    listing, went = archive.pack(project, "smoke", tmp_path / "out", weights=True), path.read_bytes()
    begun(project, *YIELDS[here])
    archive.unpack(listing, project)
    assert path.read_bytes() == went


def test_a_damaged_resume_file(project, tmp_path):
    path = begun(project, 2)
    listing, whole = archive.pack(project, "smoke", tmp_path / "out", weights=True), path.read_bytes()
    path.write_bytes(whole[:-1])
    damaged = archive.pack(project, "smoke", tmp_path / "damaged", weights=True)
    archive.unpack(listing, project)
    assert path.read_bytes() == whole
    with pytest.raises(RedoubtError, match="older than what is here"):
        archive.unpack(damaged, project)


@pytest.mark.parametrize(
    ("finished", "refused"), [(LATER, True), ("2026-03-01T00:00:00Z", True), (EARLIER, False)]
)
def test_a_training_that_was_finished_here_since(project, tmp_path, finished, refused):
    path = begun(project, 2)
    listing = archive.pack(project, "smoke", tmp_path / "out", weights=True)
    shutil.rmtree(path.parent)
    record = read_record(made_up.training(project, 2), "")
    there = path.with_name("record.json")
    write_record(there, {**record, "provenance": {**record["provenance"], "started": finished}})
    if refused:
        with pytest.raises(RedoubtError, match=re.escape(there.as_posix())):
            archive.unpack(listing, project)
    else:
        archive.unpack(listing, project)
    assert path.exists() != refused
