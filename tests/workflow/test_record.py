"""A study recorded in pieces, killed anywhere, ends with the bits of one recorded in one go; a parcel comes whole."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from redoubt.errors import RedoubtError
from redoubt.evaluation import evaluator, partial
from redoubt.evaluation.evaluator import Evaluator
from redoubt.records.files import sha256, write_record
from redoubt.training.trainer import Trainer
from redoubt.workflow import archive
from redoubt.workflow.record import Recorder, record
from tests.conftest import STUDY

ATTACKS = """
    fgsm: {attack: fgsm}
    pgd50: {attack: pgd, params: {steps: 5}}
    last: {attack: pgd, params: {steps: 3}, checkpoint: last, role: diagnostic}
    moved: {attack: pgd, params: {steps: 3}, surrogate: standard/main, runs: [pgd_at/main], role: diagnostic}
"""
GRID = """
  standard: {variants: {main: {seeds: [0]}}}
  pgd_at:
    params: {steps: {value: 2, source: "ours: tests"}}
    variants: {main: {}, more: {params: {steps: {value: 3, source: "ours: tests"}}, seeds: [0]}}
"""


def write(root):
    """The study of these tests; its images are there already."""
    head = STUDY.split("evaluation:")[0].replace("epochs: 2", "epochs: 2, batch_size: 64")
    text = f"{head}evaluation:\n  attacks:{ATTACKS}defenses:{GRID}"
    (root / "studies").mkdir(exist_ok=True)
    (root / "studies" / "smoke.yaml").write_text(text)
    (root / "config.yaml").write_text("studies: {smoke: {start_from: scratch}}\nmirror: null\n")


@pytest.fixture
def root(root):
    write(root)
    return root


def outcome(root):
    """Weights, training curves and the bits of every attack: what two recordings of a study must share."""
    found = {p.relative_to(root).as_posix(): sha256(p) for p in root.glob("checkpoints/**/*.safetensors")}
    for path in root.glob("checkpoints/**/record.json"):
        rows = json.loads(path.read_text())["history"]
        found[path.relative_to(root).as_posix()] = [{**r, "images_per_s": 0} for r in rows]
    for path in root.glob("results/**/*.json"):
        rows = json.loads(path.read_text())["evaluations"]
        kept = [(r["name"], r["correct"], r["max_perturbation"], r["forward"], r["role"]) for r in rows]
        found[path.relative_to(root).as_posix()] = kept
    return found


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """One uninterrupted recording, whose images `redoubt record` prepared itself, packed as it went."""
    other = tmp_path_factory.mktemp("once")
    write(other)
    assert record(other, "smoke", "cpu", out=other / "out")
    assert not list(other.rglob("*.partial"))
    assert not list(other.rglob("resume.pt"))
    return other


@pytest.fixture(scope="module")
def whole(once):
    return outcome(once)


def test_in_pieces_of_no_time_ends_with_the_same_bits(root, whole):
    calls = 1
    while not record(root, "smoke", "cpu", minutes=0):
        calls += 1
        assert calls < 60, "a call without time makes no progress"
    assert calls > 10
    assert outcome(root) == whole
    assert len([k for k in whole if k.startswith("results")]) == 4


def test_stopped_inside_any_step_ends_with_the_same_bits(root, whole, monkeypatch):
    """Dies in every third epoch and in every second attack, before anything of it is written."""
    beats = {"epoch": 0, "attack": 0}

    def dying(kind, every, function):
        def run(*given, **named):
            beats[kind] += 1
            if beats[kind] % every == 0:
                raise KeyboardInterrupt
            return function(*given, **named)

        return run

    monkeypatch.setattr(Trainer, "_keep", dying("epoch", 3, Trainer._keep))
    monkeypatch.setattr(Evaluator, "_attack", dying("attack", 2, Evaluator._attack))
    deaths = 0
    while True:
        try:
            assert record(root, "smoke", "cpu")
            break
        except KeyboardInterrupt:
            deaths += 1
            assert deaths < 60
    assert deaths > 4
    assert outcome(root) == whole


@pytest.mark.slow
def test_killed_from_outside_ends_with_the_same_bits(root, whole):
    command = [sys.executable, "-c", "from redoubt.cli.start import main; main()", "record", "smoke"]
    command += ["--root", str(root), "--device", "cpu"]
    for marker in ("checkpoints/**/resume.pt", "results/**/*.partial"):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        deadline = time.time() + 120
        while not list(root.glob(marker)) and process.poll() is None and time.time() < deadline:
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    assert outcome(root) == whole


def test_most_valuable_first(root):
    recorder = Recorder(root, "smoke", "cpu", time.time())
    assert next(recorder.units()).run.path == "smoke/standard/main/seed0"
    seen = []
    recorder._do = lambda unit, dataset: seen.append(unit.label) or True
    recorder._has_weights = lambda run: f"train {run.path}" in seen
    recorder.work(None)
    shorter = [s.replace("smoke/", "").replace("/seed", " ") for s in seen]
    assert shorter[:4] == [
        "train standard/main 0",
        "attack standard/main 0: natural:best, fgsm, pgd50",
        "train pgd_at/main 0",
        "attack pgd_at/main 0: natural:best, fgsm, pgd50",
    ]
    assert shorter.index("train pgd_at/main 1") < shorter.index("train pgd_at/more 0")


def test_runs_that_are_asked_for_come_alone_and_in_their_order(root):
    recorder = Recorder(root, "smoke", "cpu", time.time(), runs=["pgd_at/*", "standard/main"])
    recorder._has_weights = lambda run: True
    paths = [unit.run.path.removeprefix("smoke/") for unit in recorder.units()]
    assert paths == ["pgd_at/main/seed0", "pgd_at/main/seed1", "pgd_at/more/seed0", "standard/main/seed0"]
    with pytest.raises(RedoubtError, match="did you mean: pgd_at/more"):
        Recorder(root, "smoke", "cpu", time.time(), runs=["pgd_at/mor"])


def test_a_unit_that_fails_leaves_the_others(root, monkeypatch):
    train = Trainer.train

    def broken(self, until):
        if self.run.of.name == "pgd_at/main":
            raise RedoubtError("no")
        return train(self, until)

    monkeypatch.setattr(Trainer, "train", broken)
    assert not record(root, "smoke", "cpu", out=root / "out")
    names = {p.relative_to(root / "results/smoke").as_posix() for p in root.glob("results/**/*.json")}
    assert names == {"standard/main/seed0.json", "pgd_at/more/seed0.json"}


def test_a_finished_attack_is_made_again_when_its_settings_or_weights_change(root, monkeypatch):
    def stop(self, name, spec):
        if name == "pgd50":
            raise KeyboardInterrupt
        return attack(self, name, spec)

    attack = Evaluator._attack
    monkeypatch.setattr(Evaluator, "_attack", stop)
    with pytest.raises(KeyboardInterrupt):
        record(root, "smoke", "cpu")
    path = root / "results/smoke/standard/main/seed0.partial"
    assert set(partial.seconds(path)) == {"natural:best", "fgsm"}
    recorder = Recorder(root, "smoke", "cpu", time.time())
    run = recorder.variants["standard/main"].run(0)
    dataset = evaluator.data.load(root / "data/smoke")
    assert Evaluator(root, recorder.study, run, dataset, "cpu").partial.done("fgsm")
    study = root / "studies" / "smoke.yaml"
    study.write_text(study.read_text().replace("{attack: fgsm}", "{attack: fgsm, eps: 0.05}"))
    recorder = Recorder(root, "smoke", "cpu", time.time())
    again = Evaluator(root, recorder.study, run, dataset, "cpu").partial
    assert not again.done("fgsm")
    assert again.done("natural:best")
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"n": 60', b'"n": 61', 1))
    assert partial.seconds(path) == {}


def test_a_parcel_comes_back_as_it_went(once, whole, tmp_path):
    root = once
    kept = archive.unpack(once / "out" / "smoke.pack.json", tmp_path / "records")
    assert len(kept) == 8
    assert not any(name.endswith("safetensors") for name in kept)
    listing = archive.pack(root, "smoke", tmp_path / "out", weights=True, part=20_000)
    parts = sorted((tmp_path / "out").glob("smoke.pack.[0-9a-f]*"))
    assert len(parts) > 2
    assert max(p.stat().st_size for p in parts) <= 20_000
    first = {p.name: p.read_bytes() for p in parts}
    archive.pack(root, "smoke", tmp_path / "out", weights=True, part=20_000)
    assert {p.name: p.read_bytes() for p in parts} == first
    there = tmp_path / "there"
    names = archive.unpack(listing, there)
    assert all((there / n).read_bytes() == (root / n).read_bytes() for n in names)
    assert outcome(there) == whole


def test_a_parcel_with_one_changed_bit_writes_nothing(root, tmp_path):
    for name in ("results/smoke/a/b/seed0.json", "checkpoints/smoke/a/b/seed0/record.json"):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text("{}" * 5000)
    listing = archive.pack(root, "smoke", tmp_path / "out")
    (part,), there = listing.parent.glob("smoke.pack.000-*"), tmp_path / "there"
    held = bytearray(part.read_bytes())
    held[len(held) // 2] ^= 1
    part.write_bytes(bytes(held))
    with pytest.raises(RedoubtError, match="changed or cut short"):
        archive.unpack(listing, there)
    part.unlink()
    with pytest.raises(RedoubtError, match="missing"):
        archive.unpack(listing, there)
    archive.pack(root, "smoke", tmp_path / "out")
    listing.write_text(listing.read_text().replace("seed0.json", "seed1.json"))
    with pytest.raises(RedoubtError, match="changed since"):
        archive.unpack(listing, there)
    assert not there.exists()


def test_a_kill_while_packing_leaves_the_earlier_parcel(root, tmp_path, monkeypatch):
    first = root / "results/smoke/a/b/seed0.partial"
    first.parent.mkdir(parents=True)
    write_record(first, {"schema": 1})
    listing = archive.pack(root, "smoke", tmp_path / "out")
    write_record(first.with_name("seed1.partial"), {"schema": 1})
    with monkeypatch.context() as m:
        m.setattr(archive, "write_record", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            archive.pack(root, "smoke", tmp_path / "out")
    assert archive.unpack(listing, tmp_path / "there") == ["results/smoke/a/b/seed0.partial"]
    archive.pack(root, "smoke", tmp_path / "out")
    assert len(archive.unpack(listing, tmp_path / "there")) == 2
    assert len(list((tmp_path / "out").glob("smoke.pack.000-*"))) == 1


def test_a_unit_that_breaks_in_any_way_leaves_the_others(root, monkeypatch):
    def broken(self, until):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(Trainer, "train", broken)
    recorder = Recorder(root, "smoke", "cpu", time.time() + 60)
    assert not recorder.work(evaluator.data.load(root / "data/smoke"))
    assert len(recorder.failed) == 4
    assert "out of memory" in recorder.failed["smoke/standard/main/seed0"]


def test_weights_that_a_fall_of_the_machine_left_empty_are_made_again(root):
    recorder = Recorder(root, "smoke", "cpu", time.time() + 600)
    run = recorder.variants["standard/main"].run(0)
    dataset = evaluator.data.load(root / "data/smoke")
    assert recorder._do(next(recorder.units()), dataset)
    assert recorder._has_weights(run)
    path = root / "checkpoints" / run.path / "best.safetensors"
    whole = path.read_bytes()
    path.write_bytes(b"")
    assert not recorder._has_weights(run)
    assert recorder._do(next(recorder.units()), dataset)
    assert path.read_bytes() == whole


def test_a_parcel_may_not_leave_its_study(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "RECORDS", ("elsewhere/*",))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x").write_text("x")
    listing = archive.pack(tmp_path, "smoke", tmp_path / "out")
    with pytest.raises(RedoubtError, match="does not list"):
        archive.unpack(listing, tmp_path / "there")
    with pytest.raises(RedoubtError, match="nothing to pack"):
        archive.pack(tmp_path / "there", "smoke", tmp_path / "out")


def test_records_without_the_workflow_packages():
    """On a borrowed machine there is no snakemake, no pandas."""
    absent = ("snakemake", "pandas", "seaborn", "dvc", "statsmodels", "jinja2", "matplotlib", "pyautoattack")
    code = f"import sys; sys.modules.update(dict.fromkeys({absent})); import redoubt.workflow.record, redoubt.cli.app"
    subprocess.run([sys.executable, "-c", code], check=True)
