"""What a study has left is carried by the repository: a clone draws, verifies, pulls, re-attacks and audits it."""

import json
import shutil

import pytest

from redoubt.audit import rerun, sample
from redoubt.audit.verify import summary, verify
from redoubt.errors import RedoubtError
from redoubt.records import shipped
from redoubt.records.files import sha256, write_record
from redoubt.records.results import read
from redoubt.reports import carried, exhibits, origins
from redoubt.workflow.ship import ship
from redoubt.workflow.snakefile import Dag
from tests.conftest import REPO, Project

RUN = "smoke/pgd_at/main"
GIT = ("git", "-c", "user.name=a", "-c", "user.email=a@example.org")


def tracked(made: Project) -> Project:
    """A project with the repository's ledger, whose recorded study is tracked."""
    shutil.copytree(REPO / ".dvc", made.folder / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp"))
    shutil.copy(REPO / "dvc.yaml", made.folder)
    ignored = made.folder / ".gitignore"
    ignored.write_text(ignored.read_text() + "!/results/smoke/\n")
    made.run("git", "init", "-q")
    return made


@pytest.fixture(scope="module")
def author(project, tmp_path_factory) -> Project:
    """The smoke study, shipped and committed."""
    made = tracked(project.copied(tmp_path_factory.mktemp("author") / "here"))
    shutil.rmtree(made.folder / "reports")
    ship(made.folder, "smoke")
    made.run("git", "add", "-A")
    made.run(*GIT, "commit", "-qm", "evidence")
    return made


@pytest.fixture
def clone(author, tmp_path) -> Project:
    author.run("git", "clone", "-q", str(author.folder), str(tmp_path / "a clone"))
    made = Project(tmp_path / "a clone")
    made.start_from("results")
    return made


def everything(folder):
    skipped = (".git", ".dvc", "__pycache__", "logs", ".snakemake")
    return {p: sha256(p) for p in folder.rglob("*") if p.is_file() and not set(skipped) & set(p.parts)}


def test_shipped_twice_is_shipped_once(author):
    before = everything(author.folder)
    shipment = ship(author.folder, "smoke")
    assert everything(author.folder) == before
    assert shipment.carried == ["standard/main", "pgd_at/main"]
    assert (shipment.missing, shipment.untold, shipment.left) == ([], [], [])
    copy = shipped.copy_of_training(author.folder, RUN, 1)
    assert copy.read_bytes() == (author.folder / "checkpoints" / RUN / "seed1" / "record.json").read_bytes()


def test_what_does_not_fit_is_listed_and_what_is_unfinished_is_named(author, tmp_path):
    made = author.copied(tmp_path / "a copy")
    (made.folder / "results" / RUN / "seed1.json").unlink()
    shipment = ship(made.folder, "smoke", megabytes=0)
    assert shipment.left == ["standard/main", "pgd_at/main"]
    assert shipment.missing == ["pgd_at/main/seed1"]
    told = shipped.ledger(made.folder)
    assert told["carried"] == []
    assert f"{RUN}/seed0" in told["listed"]
    assert not list((made.folder / "remote").rglob("*.*")), "what is no longer carried leaves the remote"
    assert "carried@" not in (made.folder / "dvc.lock").read_text()
    made.start_from("results")
    assert Dag(made.folder).results(RUN) == [f"results/{RUN}/seed0.json"]


def test_a_clone_is_clean_and_holds_what_curves_are_drawn_from(clone):
    assert not (clone.folder / "checkpoints").exists()
    dag = Dag(clone.folder)
    assert dag.all_records() == [
        f"results/smoke/{run}.json"
        for run in (
            "standard/main/training/seed0",
            "pgd_at/main/training/seed0",
            "pgd_at/main/training/seed1",
        )
    ]
    made = {e["name"]: e["made"] for e in exhibits.listing(dag.held)["exhibits"]}
    assert "smoke" in made["training_curves"]
    found = verify(clone.folder)
    assert not [f for f in found if f.state in ("bad", "stale")]
    assert "trainings: 3 good" in summary(found)


def test_a_clone_pulls_what_is_carried_and_attacks_it_without_training(clone):
    clone.start_from("checkpoints")
    with pytest.raises(RedoubtError, match="dvc pull"):
        Dag(clone.folder)
    clone.run("dvc", "pull", "-q")
    names = {p.name for p in (clone.folder / "checkpoints" / RUN).rglob("*.*")}
    assert names == {"best.safetensors", "record.json"}
    assert not [f for f in verify(clone.folder) if f.state in ("bad", "stale", "absent")]
    said = clone.snakemake("--dry-run", f"results/{RUN}/seed0.json", "--force")
    assert "Train " not in said
    assert "Attack smoke/pgd_at/main" in said


def test_a_variant_that_was_shipped_in_part_is_attacked_with_the_seeds_that_it_has(author, tmp_path):
    made = author.copied(tmp_path / "a copy")
    (made.folder / "results" / RUN / "seed1.json").unlink()
    ship(made.folder, "smoke")
    made.start_from("checkpoints")
    said = made.snakemake("--dry-run", "--printshellcmds", "--force", f"results/{RUN}/seed0.json")
    assert f"redoubt attack {RUN} --seed 0 --threads" in said


def test_shipping_from_a_clone_drops_nothing_that_is_not_here(clone):
    before = [(clone.folder / name).read_bytes() for name in (shipped.LEDGER, "dvc.lock")]
    clone.run("dvc", "pull", "-q")
    ship(clone.folder, "smoke")
    assert [(clone.folder / name).read_bytes() for name in (shipped.LEDGER, "dvc.lock")] == before
    shutil.rmtree(clone.folder / "checkpoints" / RUN / "seed1")
    shipment = ship(clone.folder, "smoke")
    assert "pgd_at/main" in shipment.carried
    assert [(clone.folder / name).read_bytes() for name in (shipped.LEDGER, "dvc.lock")] == before


def test_variants_that_nobody_carries_are_judged_by_their_results(clone):
    told = shipped.ledger(clone.folder)
    told["carried"] = [x for x in told["carried"] if "standard" in x]
    (clone.folder / shipped.LEDGER).write_text(json.dumps(told))
    clone.run("dvc", "pull", "-q", "carried")
    clone.start_from("checkpoints")
    dag = Dag(clone.folder)
    assert dag.at("smoke/standard/main") == "checkpoints"
    assert dag.at(RUN) == "results"


def test_recorded_weights_are_audited_without_training(clone):
    clone.run("redoubt", "prepare", "smoke")
    with pytest.raises(RedoubtError, match="recorded weights are not here"):
        rerun.audit(clone.folder, RUN, [0], "cpu", train=False)
    clone.run("dvc", "pull", "-q")
    report = rerun.audit(clone.folder, RUN, [0], "cpu", train=False)
    assert report["verdict"] == "identical"
    assert "nothing was trained" in (clone.folder / "audits" / RUN / "audit.md").read_text()


def test_a_sample_prepares_audits_and_counts(clone):
    rows = sample.audit(clone.folder, 2, 3, "cpu", [])
    assert [r["verdict"] for r in rows] == ["identical"] * 2
    drawn = [(r["run"], r["seed"]) for r in rows]
    assert len(set(drawn)) == 2
    text = (clone.folder / "audits" / "sample.md").read_text()
    assert text.startswith("2 runs, drawn with seed 3: 2 identical, 0 equivalent, 0 different.")


def test_a_number_says_whether_it_was_recorded_or_made_here(clone):
    path = clone.folder / "results" / RUN / "seed0.json"
    record = read(path)
    day = record["provenance"]["started"][:10]
    assert origins.made(path, record).startswith(f"recorded {day} on ")
    record["provenance"]["seconds"] += 1
    write_record(path, record)
    assert origins.made(path, read(path)) == "here, on recorded weights"
    shutil.rmtree(path.parent / "training")
    assert origins.made(path, read(path)) == "here"


def test_the_page_of_evidence_follows_from_tracked_files_alone(clone, tmp_path):
    outs = [tmp_path / "one", tmp_path / "two"]
    for out in outs:
        out.mkdir()
        (out / "README.md").write_text("# Reports\n\nBy hand.\n")
        files = carried.write(clone.folder, REPO / "claims", out)
    assert {p.name for p in files} > {"README.md", "smoke.md", "claims.md", "adaptive_protocol-smoke.svg"}
    assert all(p.read_bytes() == (outs[0] / p.relative_to(outs[1])).read_bytes() for p in files)
    page = (outs[0] / "README.md").read_text()
    assert page.startswith(f"# Reports\n\nBy hand.\n\n{carried.MARK}")
    assert "3 recorded " in page
    path = clone.folder / "results" / RUN / "seed0.json"
    record = read(path)
    record["about"] = "changed"
    write_record(path, record)
    with pytest.raises(RedoubtError, match="not the one that the repository carries"):
        carried.write(clone.folder, REPO / "claims", outs[0])
