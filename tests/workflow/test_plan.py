"""What would run is what Snakemake says; what is unknown is said to be unknown."""

import json
import os
import subprocess
import sys

import pytest

from redoubt.errors import RedoubtError
from redoubt.workflow import plan

HEAD = "s\th:m:s\tmax_rss\n"


def summary(*rows):
    """Rows of Snakemake's summary: output, rule, status, plan."""
    keys = ("output_file", "rule", "status", "plan")
    return lambda root, targets: [dict(zip(keys, row, strict=True)) for row in rows]


def weights(run, seed=0, status="missing", what="update pending", rule="train_defense_seeds_0"):
    return (f"checkpoints/{run}/seed{seed}/best.safetensors", rule, status, what)


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def test_jobs_are_outputs_of_one_rule_and_run_together(tmp_path, monkeypatch):
    rows = [
        ("results/toy/pgd_at/main/seed0.json", "attack_checkpoint_seeds_0_1", "ok", "update pending"),
        weights("toy/pgd_at/main", rule="train_defense_seeds_0_1", status="params changed"),
        weights("toy/pgd_at/main", 1, rule="train_defense_seeds_0_1", status="params changed"),
        weights("toy/trades/main", what="no update"),
    ]
    monkeypatch.setattr(plan, "_summary", summary(*rows))
    train, attack = plan.jobs(tmp_path, [])
    assert (train.rule, train.what, len(train.outputs)) == ("train_defense", "toy/pgd_at/main", 2)
    assert train.why == "settings or code changed"
    assert (attack.rule, attack.why) == ("attack_checkpoint", "follows from another job")
    assert (train.seconds, train.basis, train.size) == (None, "unknown", None)
    assert "2 jobs have never run here" in plan.totals([train, attack], 8, tmp_path)


def test_times_come_from_the_last_run_then_the_records_then_the_study(tmp_path, monkeypatch):
    names = ("toy/own/main", "toy/recorded/main", "toy/new/main", "other/new/main")
    monkeypatch.setattr(plan, "_summary", summary(*map(weights, names)))
    logs = tmp_path / "logs" / "train_defense"
    for name, s in (("own", 10), ("a", 30), ("b", 50)):
        write(logs / f"toy/{name}/main.benchmark.tsv", f"{HEAD}{s}\t0:00:{s}\t1\n")
    record = {"training_seconds": 7, "provenance": {"seconds": 2, "hardware": "a card"}}
    for seed in (0, 1):
        write(tmp_path / f"results/toy/recorded/main/seed{seed}.json", json.dumps(record))
    found = {j.what: (j.seconds, j.basis) for j in plan.jobs(tmp_path, [])}
    assert found == {
        "toy/own/main": (10, "its last run"),
        "toy/recorded/main": (14, "records, a card"),
        "toy/new/main": (30, "median of 3 in toy"),
        "other/new/main": (None, "unknown"),
    }


def test_a_notebook_takes_what_it_took(tmp_path, monkeypatch):
    rows = [(f"reports/notebooks/{n}.ipynb", f"run_notebook_{n}", "ok", "update pending") for n in ("a", "b")]
    monkeypatch.setattr(plan, "_summary", summary(*rows))
    write(tmp_path / "logs" / "run_notebook" / "a.benchmark.tsv", f"{HEAD}12\t0:00:12\t1\n")
    found = [(j.rule, j.what, j.seconds, j.basis) for j in plan.jobs(tmp_path, [])]
    assert found == [("run_notebook", "a", 12, "its last run"), ("run_notebook", "b", None, "unknown")]


def test_sizes_come_from_the_file_then_from_its_like(tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "_summary", summary(weights("toy/own/main"), weights("toy/new/main")))
    for name, n in (("own", 100), ("a", 300), ("b", 500)):
        write(tmp_path / f"checkpoints/toy/{name}/main/seed0/best.safetensors", "x" * n)
    assert [j.size for j in plan.jobs(tmp_path, [])] == [100, 300]


def test_the_shortest_time_is_that_of_the_longest_job(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    jobs = [plan.Job("train_defense", str(i), seconds=s, size=5) for i, s in enumerate((90, 10, 20))]
    said = plan.totals(jobs, 8, tmp_path)
    assert "3 jobs, 2 min 00 s of work: at least 1 min 30 s on 4 cores" in said
    assert "15 B written" in said
    assert plan.totals([], 8, tmp_path) == "nothing to be done"


@pytest.mark.parametrize(
    ("seconds", "words"), [(None, "unknown"), (5, "5 s"), (61, "1 min 01 s"), (5400, "1 h 30 min")]
)
def test_durations_in_words(seconds, words):
    assert plan.duration(seconds) == words


def test_the_plan_of_a_project_that_has_run_and_of_a_target(project, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(project.folder / "src"))
    assert plan.jobs(project.folder, ["results/smoke/pgd_at/main/seed0.json"]) == []
    (job,) = plan.jobs(project.folder, ["audits/smoke/pgd_at/main"])
    assert (job.rule, job.what, job.why) == ("audit_variant", "smoke/pgd_at/main", "not there")
    assert job.basis.startswith("records")
    assert not (project.folder / "audits").exists()


def test_a_wrong_target_names_the_nearest_run(project):
    with pytest.raises(RedoubtError) as caught:
        plan.jobs(project.folder, ["audits/smoke/pgd_ta/main"])
    assert caught.value.nearest == "smoke/pgd_at/main"
    assert "No rule to produce audits/smoke/pgd_ta/main" in str(caught.value)


def test_people_in_a_hurry_do_not_wait_for_torch():
    modules = "redoubt.workflow.plan, redoubt.reports.terminal, redoubt.cli.completion, redoubt.audit.verify"
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
