"""What is finished is not lost and not made twice: kills, cancels, deleted outputs, damaged inputs, two at once."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from redoubt import data
from redoubt.audit.verify import verify
from redoubt.cli.options import device_of
from redoubt.config import find_run
from redoubt.data import disk
from redoubt.errors import RedoubtError
from redoubt.evaluation.evaluator import Evaluator
from redoubt.records.files import sha256, write_whole
from redoubt.training.checkpoints import Checkpoints
from redoubt.training.trainer import Trainer
from redoubt.workflow import locks, units
from redoubt.workflow.record import record
from redoubt.workflow.snakefile import Dag
from tests.conftest import STUDY

RUN = "smoke/pgd_at/main"
MOVED = (
    "    moved: {attack: pgd, params: {steps: 2}, surrogate: standard/main, runs: [pgd_at/main]}\ndefenses:"
)


@pytest.fixture
def root(root):
    """A folder in which one seed of two defenses is trained and attacked; an attack of one needs the other."""
    text = STUDY.replace("defenses:", MOVED)
    (root / "studies" / "smoke.yaml").write_text(text)
    (root / "config.yaml").write_text("studies: {smoke: {start_from: scratch}}\nmirror: null\n")
    for name in ("smoke/standard/main", RUN):
        trained(root, name)
    attacked(root)
    return root


def trained(root, name=RUN):
    _, variant = find_run(root, name)
    units.train(root, variant.run(0), data.load(root / "data" / "smoke"), "cpu")


def attacked(root, name=RUN):
    study, variant = find_run(root, name)
    units.evaluate(root, study, variant.run(0), data.load(root / "data" / "smoke"), "cpu")


def flip(path, at=100):
    held = bytearray(path.read_bytes())
    held[at] ^= 1
    path.write_bytes(held)


def resolved(root, old, new):
    study = root / "studies" / "smoke.yaml"
    study.write_text(study.read_text().replace(old, new))


def retrained(root):
    """Other weights of the run whose gradient is transferred."""
    _, variant = find_run(root, "smoke/standard/main")
    kept = Checkpoints(root, variant.run(0))
    state = kept.load("best").state_dict()
    for v in state.values():
        v.add_(1)
    kept.finish({"best": state, "last": state}, {k: v for k, v in kept.record().items() if k != "sha256"})


WEIGHTS, RESULT = f"checkpoints/{RUN}/seed0", f"results/{RUN}/seed0.json"
PUT_BACK = {
    "every output deleted, as Snakemake does": lambda r: shutil.rmtree(r / WEIGHTS),
    "the weights alone deleted": lambda r: (r / WEIGHTS / "best.safetensors").unlink(),
    "one bit of the record": lambda r: flip(r / WEIGHTS / "record.json"),
    "nothing": lambda r: None,
}
MADE_ANEW = {
    "another rate": lambda r: resolved(r, "lr: 0.01", "lr: 0.02"),
    "other images": lambda r: data.prepare("digits", r / "data" / "smoke", validation=40, test=60, train=256),
    "one bit of what was kept": lambda r: flip(r / ".redoubt/finished/train" / RUN / "seed0/files.json"),
    "one bit of the weights": lambda r: flip(r / WEIGHTS / "last.safetensors", -9),
}
RESULT_PUT_BACK = {
    "the result deleted": lambda r: (r / RESULT).unlink(),
    "one bit of the result": lambda r: flip(r / RESULT),
    "one bit of the weights, which the next attack refuses": lambda r: (
        flip(r / WEIGHTS / "best.safetensors", -9), (r / RESULT).unlink()
    ),
}  # fmt: skip
RESULT_MADE_ANEW = {
    "another attack": lambda r: resolved(r, "steps: 5", "steps: 4"),
    "another radius": lambda r: resolved(r, "eps: 0.1", "eps: 0.05"),
    "other weights of the surrogate": retrained,
}


def cases(table):
    return pytest.mark.parametrize("fault", table.values(), ids=table.keys())


@cases(PUT_BACK)
def test_finished_weights_are_put_back(root, monkeypatch, fault):
    whole = {p.name: sha256(p) for p in (root / WEIGHTS).iterdir()}
    fault(root)
    monkeypatch.delattr(Trainer, "train")  # whoever trains fails
    trained(root)
    assert {p.name: sha256(p) for p in (root / WEIGHTS).iterdir()} == whole


@cases(MADE_ANEW)
def test_weights_that_would_come_out_otherwise_are_not(root, fault):
    fault(root)
    before = (root / WEIGHTS / "record.json").stat().st_mtime_ns
    trained(root)
    assert (root / WEIGHTS / "record.json").stat().st_mtime_ns > before
    _, variant = find_run(root, RUN)
    assert Checkpoints(root, variant.run(0)).load("last")


@cases(RESULT_PUT_BACK)
def test_a_finished_result_is_put_back(root, monkeypatch, fault):
    whole = sha256(root / RESULT)
    fault(root)
    monkeypatch.delattr(Evaluator, "evaluate")
    attacked(root)
    assert sha256(root / RESULT) == whole


@cases(RESULT_MADE_ANEW)
def test_a_result_that_would_come_out_otherwise_is_not(root, fault):
    fault(root)
    if fault is RESULT_MADE_ANEW["another radius"]:
        trained(root), trained(root, "smoke/standard/main")
    before = (root / RESULT).stat().st_mtime_ns
    attacked(root)
    assert (root / RESULT).stat().st_mtime_ns > before


def test_records_that_are_missing_beside_finished_ones_are_named(root):
    (root / WEIGHTS / "record.json").unlink()
    found = {f.file: f for f in verify(root) if f.state == "absent"}
    assert f"{WEIGHTS}/record.json" in found
    assert "redoubt attack smoke/standard/main" in found["results/smoke/standard/main/seed0.json"].why
    assert RESULT not in found


def test_damaged_inputs_are_named_before_outputs_go(root):
    dag = Dag(root)
    dag.sound()
    weights = root / WEIGHTS / "best.safetensors"
    flip(weights, -9)
    with pytest.raises(RedoubtError, match="changed since it was attacked"):
        dag.sound()
    flip(weights, -9)
    flip(root / "data" / "smoke" / "record.json")
    with pytest.raises(RedoubtError, match="record"):
        dag.sound()


def python(program, *arguments, **environment):
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


HOLD = """
import sys, time
from pathlib import Path
from redoubt.workflow import locks
with locks.held(Path(sys.argv[1]), sys.argv[2]):
    print("held", flush=True)
    time.sleep(float(sys.argv[3]))
"""


def test_a_lock_says_who_holds_it_and_ends_with_its_process(tmp_path, capsys):
    other = python(HOLD, tmp_path, "train/x", 600)
    assert other.stdout.readline() == "held\n"
    with locks.held(tmp_path, "train/x", wait=0) as ours:
        assert not ours
    with locks.held(tmp_path, "train/y", wait=0) as ours:
        assert ours
    assert f"process {other.pid} on " in locks.holder(tmp_path, "train/x")
    threading.Timer(0.3, os.kill, (other.pid, signal.SIGKILL)).start()
    with locks.held(tmp_path, "train/x", wait=60) as ours:
        assert ours
    assert f"train/x waits for process {other.pid}" in capsys.readouterr().err
    other.communicate()


def test_a_recorder_leaves_to_another_what_that_is_at_and_waits_for_it(root, monkeypatch):
    shutil.rmtree(root / "checkpoints")
    shutil.rmtree(root / "results")
    shutil.rmtree(root / ".redoubt")
    other = python(HOLD, root, "train/smoke/pgd_at/main/seed1", 6)
    assert other.stdout.readline() == "held\n"
    began = time.time()
    assert record(root, "smoke", "cpu")
    assert time.time() - began > 4
    made = sorted((root / "checkpoints").rglob("record.json"), key=lambda p: p.stat().st_mtime)
    assert made[-1] == root / "checkpoints/smoke/pgd_at/main/seed1/record.json"
    assert len(list((root / "results").rglob("seed*.json"))) == 3
    other.communicate()


WRITE = """
import sys
from pathlib import Path
from redoubt.records.files import write_whole
for i in range(150):
    write_whole(Path(sys.argv[1]), sys.argv[2].encode() * 20000, lasting=i % 10 == 0)
"""


def test_two_writers_of_one_file_never_show_half_of_it(tmp_path):
    path = tmp_path / "file"
    write_whole(path, b"a" * 20000)
    writers = [python(WRITE, path, letter) for letter in "ab"]
    while any(w.poll() is None for w in writers):
        content = path.read_bytes()
        assert len(content) == 20000
        assert len(set(content)) == 1
    assert [w.communicate()[1] for w in writers] == ["", ""]
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_what_a_killed_writer_left_is_removed(tmp_path):
    old, new = tmp_path / ".file.1-ab.partial", tmp_path / ".file.2-ab.partial"
    for left in (old, new):
        left.write_bytes(b"half")
    os.utime(old, (0, 0))
    write_whole(tmp_path / "file", b"whole", lasting=True)
    assert {p.name for p in tmp_path.iterdir()} == {"file", new.name}


def test_prepared_images_are_replaced_without_a_gap(tmp_path):
    folder = tmp_path / "images"
    stop, gaps = threading.Event(), []

    def look():
        while not stop.is_set():
            gaps.extend([1] * (not (folder / "a.npy").is_file()))

    for i in range(40):
        built = tmp_path / f"built{i}"
        built.mkdir()
        (built / "a.npy").write_bytes(b"x")
        disk.put_in_place(built, folder, lambda name: True)
        if not i:
            looking = threading.Thread(target=look)
            looking.start()
    stop.set()
    looking.join()
    assert not gaps


def test_a_long_download_is_not_taken_for_abandoned(tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "ABANDONED_S", -1)
    with disk.work_folder(tmp_path / "images") as work, disk.work_folder(tmp_path / "images"):
        assert work.is_dir()


def test_a_log_has_every_attempt(root):
    with pytest.raises(RedoubtError), locks.held(root, "train/x"):
        raise RedoubtError("the first attempt failed")
    with locks.held(root, "train/x"):
        trained(root)
    said = (root / ".redoubt/work/train/x.log").read_text()
    assert "the first attempt failed" in said
    assert said.index("is trained already") > said.index("failed")
    assert said.count(" process ") == 2


def test_a_gpu_that_slurm_gave_and_torch_cannot_use_is_an_error(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setenv("SLURM_JOB_GPUS", "2")
    with pytest.raises(RedoubtError, match="Slurm gave this job a GPU") as caught:
        device_of("auto", 1)
    assert caught.value.key == "SLURM_JOB_GPUS"
    with pytest.raises(RedoubtError, match="no usable GPU"):
        device_of("cuda", 1)
    assert device_of("cpu", 1) == "cpu"


CARD = """
import os, time
from redoubt.cli.options import _take_a_card
_take_a_card()
print(os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
input()
"""


def test_jobs_at_once_take_one_card_each(tmp_path):
    """Two of three cards are taken, a process ends, and the next takes its card."""
    held = {}

    def start():
        job = subprocess.Popen(
            [sys.executable, "-c", CARD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "REDOUBT_GPUS": "GPU-a,5", "TMPDIR": str(tmp_path)},
        )  # fmt: skip
        held[job] = job.stdout.readline().strip()
        return job

    first, second = start(), start()
    assert sorted(held.values()) == ["5", "GPU-a"]
    first.kill()
    first.wait()
    third = start()
    assert held[third] == held[first]
    for job in (second, third):
        job.communicate("\n")


@pytest.mark.slow
def test_snakemake_canceled_in_seed_1_goes_on_there(fresh):
    """What SIGTERM, SIGKILL and a second start do to outputs is Snakemake's own doing here."""
    study = fresh.folder / "studies" / "smoke.yaml"
    study.write_text(STUDY.replace("epochs: 2", "epochs: 30"))
    target = f"checkpoints/{RUN}/seed1/record.json"
    done = fresh.folder / "checkpoints" / RUN / "seed0" / "record.json"
    begun = fresh.folder / "checkpoints" / RUN / "seed1" / "resume.pt"
    first = None
    for kill in (signal.SIGTERM, signal.SIGKILL):
        started = subprocess.Popen(
            ["snakemake", "--cores", "1", target], cwd=fresh.folder, start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(fresh.folder / "src"),
                 "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.time() + 120
        while not (done.exists() and begun.exists()) and time.time() < deadline:
            time.sleep(0.02)
        first = first or sha256(done)
        os.killpg(started.pid, kill)
        started.wait()
        fresh.run("snakemake", "--unlock", target, check=False)
    fresh.snakemake(target)
    said = (fresh.folder / ".redoubt/work/train" / RUN / "seed0.log").read_text()
    assert said.count("epoch 1/30") == 1
    assert "is trained already" in said
    assert sha256(done) == first
    parts = json.loads((fresh.folder / target).read_text())["parts"]
    assert len(parts) > 1
