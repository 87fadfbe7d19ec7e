"""The whole DAG on the smoke study, in a folder with a space in its path: what runs, and what does not run again."""

import json
import re

import pytest

from redoubt.records.files import sha256
from redoubt.reports import exhibits
from tests.conftest import REPO, Project

NOTHING = "Nothing to be done"


def replace(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return text


def test_it_ends_with_tables_figures_and_a_page(project):
    listed = json.loads((project.folder / "reports" / "all_tables").read_text())["tables"]
    assert {t["table"] for t in listed} >= {"main", "variants", "pairs", "evidence", "training"}
    for t in listed:
        for kind, digest in t["sha256"].items():
            assert sha256(project.folder / "reports" / "tables" / f"{t['table']}.{kind}") == digest
    figures = json.loads((project.folder / "reports" / "all_figures").read_text())["figures"]
    drawn = {f["figure"] for f in figures}
    assert drawn >= {"clean_against_robust-smoke", "training_curves-smoke"}
    assert drawn == {p.stem for p in (project.folder / "reports" / "figures").glob("*.svg")}
    page = (project.folder / "reports" / "index.html").read_text()
    assert "://" not in page
    assert "pgd_at" in page
    declared = {
        "all_figures", "all_tables", "claims.json", "exhibits.json", "figures", "index.html", "notebooks",
        "ro-crate-metadata.json", "site", "tables",
    }  # fmt: skip
    assert {p.name for p in (project.folder / "reports").iterdir()} == declared


def test_a_second_run_does_nothing(project):
    assert NOTHING in project.snakemake("reports/all_tables", "all")


def test_a_comment_trains_nothing_and_a_changed_loss_trains_exactly_its_runs(project):
    path = project.folder / "src" / "redoubt" / "defenses" / "pgd_at.py"
    text = path.read_text()
    try:
        path.write_text(text + "\n# a comment\n")
        replace(path, '"""min over theta', '"""Another docstring; min over theta')
        assert NOTHING in project.snakemake("--dry-run")
        replace(path, "model(x_adv), batch.y), {}", "model(x_adv), batch.y) * 2, {}")
        said = project.snakemake("--dry-run")
        assert "Train smoke/pgd_at/main" in said
        assert "Attack smoke/pgd_at/main" in said
        assert "smoke/standard/main, every seed" not in said
    finally:
        path.write_text(text)


def test_a_changed_setting_trains_exactly_its_runs(project):
    path = project.folder / "studies" / "smoke.yaml"
    text = replace(path, "{value: 2,", "{value: 3,")
    try:
        said = project.snakemake("--dry-run")
        assert "Train smoke/pgd_at/main" in said
        assert "Train smoke/standard/main" not in said
    finally:
        path.write_text(text)


def test_a_single_result_by_its_path(project):
    said = project.snakemake("--dry-run", "--force", "results/smoke/pgd_at/main/seed1.json")
    assert re.findall(r"Job \d+: (.*)", said) == ["Attack smoke/pgd_at/main, every seed"]


def test_jobs_take_one_core_of_the_real_ones(fresh):
    import os

    said = fresh.snakemake("--cores", "64", "--dry-run")
    assert "Error" not in said
    done = fresh.run("snakemake", "--cores", "64", "--until", "prepare_data")
    assert f'core=Resource("core", {os.cpu_count()})' in done.stdout + done.stderr


def test_a_broken_config_is_one_error_without_a_traceback(fresh):
    replace(fresh.folder / "studies" / "smoke.yaml", "epochs: 2", "epoch: 2")
    done = fresh.run("snakemake", "--cores", "1", check=False)
    assert done.returncode
    assert "did you mean: epochs" in done.stderr
    assert "Traceback" not in done.stderr


def test_results_missing_at_depth_results_are_one_error(fresh):
    fresh.start_from("results")
    said = fresh.snakemake(check=False)
    assert "starts from results, and a file of it is missing" in said
    assert "results/smoke/standard/main/seed0.json" in said


def test_no_git_and_no_network_are_no_obstacle(project):
    record = json.loads((project.folder / "results" / "smoke" / "pgd_at" / "main" / "seed0.json").read_text())
    assert record["provenance"]["commit"] is None
    assert record["provenance"]["command"].startswith("redoubt attack smoke/pgd_at/main")


def test_the_record_explains_itself(project):
    record = json.loads((project.folder / "results" / "smoke" / "pgd_at" / "main" / "seed1.json").read_text())
    weights = project.folder / record["checkpoints"]["best"]["path"]
    assert sha256(weights) == record["checkpoints"]["best"]["sha256"]
    assert record["run"] == {"study": "smoke", "defense": "pgd_at", "variant": "main", "seed": 1}
    for row in record["evaluations"]:
        assert row["max_perturbation"] <= row["eps"] + 1e-5
        assert row["n"] == 60
    assert set(record["sources"]) == set(record["config"]["params"])


def test_an_unchanged_attack_gives_an_unchanged_record(project, tmp_path):
    copy = project.copied(tmp_path / "a copy")
    path = copy.folder / "results" / "smoke" / "pgd_at" / "main" / "seed0.json"
    before = json.loads(path.read_text())["evaluations"]
    copy.run("redoubt", "attack", "smoke/pgd_at/main", "--seed", "0")
    after = json.loads(path.read_text())["evaluations"]
    assert [r["correct"] for r in before] == [r["correct"] for r in after]
    assert [r["max_perturbation"] for r in before] == [r["max_perturbation"] for r in after]


def test_notebook_parameters_match_the_rule():
    snakefile = (REPO / "Snakefile").read_text()
    for name in exhibits.NOTEBOOKS:
        text = (REPO / "notebooks" / f"{name}.py").read_text()
        cell = re.search(r'tags=\["parameters"\]\n(.*?)\n# %%', text, re.DOTALL).group(1)
        names = set(re.findall(r"^(\w+) =", cell, re.MULTILINE))
        assert names == set(re.findall(r"-p (\w+) ", snakefile)), name


@pytest.mark.parametrize("target", ["reports/all_tables", pytest.param("all", marks=pytest.mark.slow)])
def test_recorded_checkpoints_travel_and_train_nothing(project, tmp_path, target):
    """Run, record, push; fresh clone, pull, start from checkpoints: nothing trains, the tables are the same."""
    author = tmp_path / "the author"
    here = project.copied(author)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    assert NOTHING in here.snakemake()
    here.run("git", "init", "-q")
    here.run("dvc", "init", "-q")
    here.run("dvc", "remote", "add", "-q", "-d", "local", str(tmp_path / "remote"))
    here.run("dvc", "commit", "--force", "-q")
    here.run("dvc", "push", "-q")
    assert "up to date" in here.run("dvc", "status").stdout
    assert NOTHING in here.snakemake("--dry-run")
    here.run("git", "add", "-A")
    here.run(*git, "commit", "-qm", "record")
    tracked = here.run("git", "ls-files").stdout
    assert "dvc.lock" in tracked
    assert "safetensors" not in tracked
    here.run("git", "clone", "-q", str(author), str(tmp_path / "a clone"))
    clone = Project(tmp_path / "a clone")
    clone.start_from("checkpoints")
    said = clone.snakemake(check=False)
    assert "starts from checkpoints, and a file of it is missing" in said
    assert "dvc pull" in said
    clone.run("dvc", "pull", "-q")
    said = clone.snakemake(target)
    assert "Train " not in said
    assert "Train " not in clone.snakemake("--dry-run")
    for name in ("main", "variants", "pairs", "evidence", "training"):
        same = f"reports/tables/{name}.csv"
        assert (clone.folder / same).read_bytes() == (author / same).read_bytes()


@pytest.mark.slow
def test_snakemakes_own_report_holds_every_figure_and_what_it_computes(project, tmp_path):
    copy = project.copied(tmp_path / "a copy")
    copy.snakemake("all")
    copy.run("snakemake", "--report", "report.html", "all")
    report = (copy.folder / "report.html").read_text(encoding="utf-8")
    figures = json.loads((copy.folder / "reports" / "all_figures").read_text())["figures"]
    assert figures
    for figure in figures:
        assert f"{figure['figure']}.svg" in report
        assert figure["found"], figure["figure"]


def test_a_tampered_checkpoint_is_not_attacked(project, tmp_path):
    folder = project.folder / "checkpoints" / "smoke" / "standard" / "main" / "seed0"
    path, held = folder / "best.safetensors", (folder / "best.safetensors").read_bytes()
    try:
        path.write_bytes(held[:-1] + bytes([held[-1] ^ 1]))
        done = project.run("redoubt", "attack", "smoke/standard/main", check=False)
        assert done.returncode == 1
        assert "not the one that its record describes" in done.stderr
        assert "Traceback" not in done.stderr
    finally:
        path.write_bytes(held)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "smoke/pgd_ta/main"], "did you mean: smoke/pgd_at/main"),
        (["train", "smok/pgd_at/main"], "did you mean: smoke"),
        (["train", "smoke/pgd_at/main", "--seed", "9"], "has no such seed"),
        (["train", "smoke/pgd_at/main", "--device", "cuda"], "no usable GPU"),
        (["trian"], "No such command"),
    ],
)
def test_wrong_words_on_the_command_line(project, arguments, words):
    done = project.run("redoubt", *arguments, check=False)
    if "cuda" in arguments and done.returncode == 0:
        pytest.skip("this machine has a GPU")
    assert done.returncode
    assert words in done.stderr
    assert "Traceback" not in done.stderr
