"""The smoke study on a real Slurm, through `profiles/slurm`: the same bytes as here, after each fault too."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.slurm import Slurm, until
from tests.conftest import Project

pytestmark = pytest.mark.slow

# Over the profile: nobody waits here.
QUICK = ["--jobs", "2", "--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "5"]
EPOCHS = 40
TRAINED = "checkpoints/smoke/pgd_at/main/seed0"


@contextlib.contextmanager
def running(
    project: Project, slurm: Slurm, *arguments: str, profile: str = "slurm", device: str = "cpu"
) -> Iterator[subprocess.Popen]:
    """Snakemake on the cluster, `.venv/bin` not on its path; interrupted where the test does not wait for it.

    The GPUs of the nodes are counted, but do not exist: `device` says that runs are not to use them.
    """
    own = str(Path(sys.executable).parent)
    path = [p for p in slurm.environment["PATH"].split(os.pathsep) if p != own]
    env = {**os.environ, **slurm.environment, "PATH": os.pathsep.join(path)}
    env |= {"PYTHONPATH": str(project.folder / "src"), "REDOUBT_DEVICE": device}
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--workflow-profile",
        f"profiles/{profile}",
        *QUICK,
        *arguments,
    ]
    with open(project.folder / "said", "w") as said:
        process = subprocess.Popen(command, cwd=project.folder, env=env, stdout=said, stderr=said)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def run(project: Project, slurm: Slurm, *arguments: str, profile: str = "slurm") -> list[str]:
    """A whole run; the `sbatch` lines of it."""
    before = len(slurm.asked())
    with running(project, slurm, *arguments, profile=profile) as process:
        process.wait(600)
    assert process.returncode == 0, (project.folder / "said").read_text()[-6000:]
    return [line for line in slurm.asked()[before:] if line.startswith("sbatch")]


def same_bits(one: Path, other: Path) -> None:
    """Weights by their bytes, records by what was found for each image."""
    weights = sorted(p.relative_to(one) for p in one.glob("checkpoints/**/*.safetensors"))
    assert weights
    for path in weights:
        assert (one / path).read_bytes() == (other / path).read_bytes(), path
    for path in (p.relative_to(one) for p in one.glob("results/**/*.json")):
        rows = [json.loads((root / path).read_text())["evaluations"] for root in (one, other)]
        assert [r["correct"] for r in rows[0]] == [r["correct"] for r in rows[1]], path


def test_the_whole_study_ends_with_the_same_bits_as_here(project, fresh, slurm):
    submitted = run(fresh, slurm)
    same_bits(project.folder, fresh.folder)
    for table in ("main", "variants", "pairs"):
        path = f"reports/tables/{table}.csv"
        assert (fresh.folder / path).read_bytes() == (project.folder / path).read_bytes()
    runs = [line for line in submitted if "rule_train" in line or "rule_attack" in line]
    assert all(line.count("--gpus=1") == 1 and "--gres" not in line for line in runs)
    assert all("--mem 16000" in line and "-t 720" in line for line in runs)
    light = [line for line in submitted if line not in runs]
    assert len(light) == 1  # all of the reports
    assert "--gpus" not in light[0]
    assert "--mem 16000" in light[0]  # four at once, of 4,000 each


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Project:
    """One longer training, done here."""
    here = Project(tmp_path_factory.mktemp("here"))
    lengthened(here)
    here.run("redoubt", "prepare", "smoke")
    here.run("redoubt", "train", "smoke/pgd_at/main", "--seed", "0")
    return here


def lengthened(project: Project) -> None:
    project.begin()
    study = project.folder / "studies" / "smoke.yaml"
    text = study.read_text()
    study.write_text(text.replace("epochs: 2", f"epochs: {EPOCHS}").replace("seeds: [0, 1]", "seeds: [0]"))


def log_of(project: Project) -> str:
    logs = [p.read_text() for p in (project.folder / "logs" / "train_defense").rglob("*.log")]
    return "".join(logs)


@contextlib.contextmanager
def stopped(slurm: Slurm) -> Iterator[None]:
    """The training stands still, however slow or fast this machine is."""
    pids = list(slurm.processes(b"train\0smoke/pgd_at/main"))
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    yield
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize(
    "fault", ["cancel", "reach_the_time_limit", "lose_the_node", "restart_the_controller"]
)
def test_a_training_goes_on_from_its_last_epoch_after(fault, trained, slurm, tmp_path):
    there = Project(tmp_path / "on slurm")
    there.folder.mkdir()
    lengthened(there)
    asked = len(slurm.asked())
    with running(there, slurm, f"{TRAINED}/record.json") as process:
        until(lambda: "epoch 3/" in log_of(there) or process.poll() is not None, "three epochs")
        with stopped(slurm):
            seen = log_of(there)
            getattr(slurm, fault)()
        process.wait(400)
    slurm.repair()
    said = (there.folder / "said").read_text()
    assert process.returncode == 0, said[-6000:]
    same_bits(there.folder, trained.folder)
    later = log_of(there).removeprefix(seen)  # a log is begun anew or gone on with
    assert f"epoch {EPOCHS}/" in later
    assert "epoch 1/" not in later
    submitted = [line for line in slurm.asked()[asked:] if line.startswith("sbatch")]
    assert len(submitted) == (2 if fault in ("cancel", "reach_the_time_limit") else 1), said[-6000:]
    if fault == "reach_the_time_limit":
        assert "-t 1440" in submitted[1]
        assert "--mem 32000" in submitted[1]


def test_a_cluster_that_knows_gpus_as_generic_resources(fresh, slurm):
    submitted = run(
        fresh, slurm, "--config", "gres=gpu:1", "--", "checkpoints/smoke/standard/main/seed0/record.json"
    )
    assert all(line.count("--gres=gpu:1") == 1 and "--gpus" not in line for line in submitted)
    assert submitted


def test_short_runs_share_a_job(project, fresh, slurm):
    records = [f"results/smoke/{run}.json" for run in ("standard/main/seed0", "pgd_at/main/seed0")]
    submitted = run(fresh, slurm, *records, profile="slurm_short")
    assert len(submitted) == 2  # both trainings, then both evaluations
    assert all(line.count("--gpus=1") == 1 and "-t 30" in line for line in submitted)
    same_bits(fresh.folder, project.folder)


def test_with_accounting_and_an_account(fresh, accounted):
    profile = fresh.folder / "profiles" / "slurm" / "profile.yaml"
    text = profile.read_text()
    text = text.replace("slurm-status-command: squeue", "slurm-status-command: sacct")
    profile.write_text(text.replace("default-resources:", "default-resources:\n  slurm_account: lab\n #", 1))
    submitted = run(fresh, accounted, "checkpoints/smoke/standard/main/seed0/record.json")
    assert submitted
    assert all("-A lab" in line for line in submitted)
    assert "lab" in accounted.run("sacct", "-X", "-n", "-o", "account,state")
