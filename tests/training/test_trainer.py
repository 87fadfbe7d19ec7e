"""One loop: equal seeds give equal bytes, a killed run ends as one that was not, a broken loss writes nothing."""

import math
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from pydantic import ValidationError

from redoubt import data
from redoubt.config import Training
from redoubt.defenses.pgd_at import PgdAt
from redoubt.errors import RedoubtError
from redoubt.records.files import sha256
from redoubt.training.checkpoints import Checkpoints
from redoubt.training.optimization import average, decay, momentum, rate
from redoubt.training.trainer import Trainer
from tests.conftest import STUDY, run_of


def trainer(root, run):
    return Trainer(root, run, data.load(root / "data" / "smoke"), "cpu")


def hashes(root, run):
    folder = Checkpoints(root, run).folder
    return {name: sha256(folder / f"{name}.safetensors") for name in ("best", "last")}


def test_equal_seeds_give_equal_bytes_and_others_do_not(root):
    found = []
    for seed in (0, 0, 1):
        run = run_of(root, seed=seed)
        trainer(root, run).train()
        found.append(hashes(root, run))
    assert found[0] == found[1]
    assert found[0]["last"] != found[2]["last"]


def test_interrupted_between_epochs_ends_with_the_same_bytes(root, monkeypatch):
    run = run_of(root)
    trainer(root, run).train()
    whole = hashes(root, run)
    for path in Checkpoints(root, run).folder.iterdir():
        path.unlink()
    keep = Trainer._keep

    def stop(self, state):
        keep(self, state)
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "_keep", stop)
    with pytest.raises(KeyboardInterrupt):
        trainer(root, run).train()
    monkeypatch.undo()
    again = trainer(root, run)
    assert again.prepare().epoch == 1
    again.train()
    assert hashes(root, run) == whole
    assert not (Checkpoints(root, run).folder / "resume.pt").exists()


def test_killed_at_any_moment_ends_with_the_same_bytes(root):
    text = STUDY.replace("epochs: 2", "epochs: 12")
    (root / "studies" / "smoke.yaml").write_text(text)
    run = run_of(root)
    trainer(root, run).train()
    whole = hashes(root, run)
    folder = Checkpoints(root, run).folder
    for path in folder.iterdir():
        path.unlink()
    command = [
        sys.executable,
        "-c",
        "from redoubt.cli.start import main; main()",
        "train",
        run.of.path,
        "--seed",
        "0",
    ]
    command += ["--root", str(root)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.time() + 60
    while not (folder / "resume.pt").exists() and time.time() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (folder / "record.json").exists(), "the kill came too late to show anything"
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    assert hashes(root, run) == whole


def test_a_resume_file_cut_short_or_of_other_settings_is_not_used(root):
    run = run_of(root)
    path = Checkpoints(root, run).folder / "resume.pt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"PK\x03\x04 cut")
    assert trainer(root, run).prepare().epoch == 0
    torch.save({"mark": "another run"}, path)
    assert trainer(root, run).prepare().epoch == 0


def stopped(root, run, monkeypatch):
    """A training of which one epoch is kept; the file that it left."""
    keep = Trainer._keep

    def stop(self, state):
        keep(self, state)
        raise KeyboardInterrupt

    with monkeypatch.context() as m:
        m.setattr(Trainer, "_keep", stop)
        with pytest.raises(KeyboardInterrupt):
            trainer(root, run).train()
    return Checkpoints(root, run).folder / "resume.pt"


def changed(checkpoints, change):
    """The resume file with other content and the right hash."""
    left = checkpoints._left()
    change(left)
    checkpoints.interrupt(left.pop("mark"), left)


@pytest.mark.parametrize(
    "change",
    [
        lambda left: left["model"]["head.bias"].fill_(math.nan),
        lambda left: left["best"][2].popitem(),
        lambda left: left.update(history=[{"epoch": 0}] * 3),
        lambda left: left.update(history=5),
        lambda left: left.update(best=None),
        lambda left: left.update(parts=[{"seconds": "long"}]),
        lambda left: left.update(optimizers={}),
        lambda left: left["model"].update({"head.bias": torch.zeros(3)}),
    ],
)
def test_a_resume_file_that_no_training_wrote_is_said_so_and_not_used(root, monkeypatch, capsys, change):
    run = run_of(root)
    path = stopped(root, run, monkeypatch)
    assert trainer(root, run).prepare().epoch == 1
    changed(Checkpoints(root, run), change)
    again = trainer(root, run)
    assert again.prepare().epoch == 0
    assert (again.history, again.best, again.parts) == ([], None, [])
    assert "anew" in capsys.readouterr().err
    assert path.exists()


def test_one_flipped_bit_of_a_resume_file_is_noticed(root, monkeypatch, capsys):
    run = run_of(root)
    path = stopped(root, run, monkeypatch)
    whole = path.read_bytes()
    for place in (0, 20, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert trainer(root, run).prepare().epoch == 0, place
        assert "not what was written" in capsys.readouterr().err
    path.write_bytes(whole)
    assert trainer(root, run).prepare().epoch == 1


def test_seconds_are_those_of_every_part(root, monkeypatch):
    run = run_of(root)
    stopped(root, run, monkeypatch)
    changed(Checkpoints(root, run), lambda left: left["parts"][0].update(seconds=1000.0, hardware="another"))
    trainer(root, run).train()
    record = Checkpoints(root, run).record()
    first, last = record["parts"]
    assert first["hardware"] == "another"
    assert last["hardware"] == record["provenance"]["hardware"]
    assert record["seconds"] == pytest.approx(1000 + last["seconds"])


def test_a_training_is_not_gone_on_with_on_another_gpu(root):
    kept = Checkpoints(root, run_of(root))
    assert len({kept.mark("images", {}, gpu) for gpu in (None, "NVIDIA A100", "NVIDIA H100")}) == 3


def test_a_loss_that_is_not_finite_stops_and_writes_nothing(root, monkeypatch):
    run = run_of(root)
    loss = PgdAt.loss

    def broken(self, batch, state):
        value, metrics = loss(self, batch, state)
        return value * (math.nan if state.step == 2 else 1), metrics

    monkeypatch.setattr(PgdAt, "loss", broken)
    with pytest.raises(RedoubtError, match="not finite at step 2") as caught:
        trainer(root, run).train()
    assert "training.lr" in str(caught.value)
    assert {p.name for p in Checkpoints(root, run).folder.glob("*")} <= {
        "resume.pt"
    }  # of the last good epoch


def test_the_checkpoint_is_selected_on_validation_images(root):
    run = run_of(root)
    t = trainer(root, run)
    t.train()
    best = max(t.history, key=lambda row: (row["robust"], -row["epoch"]))
    assert t.best[1] == best["epoch"]
    dataset = data.load(root / "data" / "smoke")
    assert len(t.x_val) == len(dataset.split("validation").labels) == 50


def test_a_checkpoint_of_another_run_or_cut_in_half_is_refused(root):
    run = run_of(root)
    trainer(root, run).train()
    path = Checkpoints(root, run).folder / "best.safetensors"
    assert not Checkpoints(root, run).load().training
    other = run_of(root, seed=1)
    Checkpoints(root, other).folder.mkdir(parents=True)
    (Checkpoints(root, other).folder / "best.safetensors").write_bytes(path.read_bytes())
    with pytest.raises(RedoubtError, match="belongs to another run"):
        Checkpoints(root, other).load()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RedoubtError, match="damaged"):
        Checkpoints(root, run).load()
    altered = bytearray(whole)
    altered[-1] ^= 1
    path.write_bytes(bytes(altered))
    with pytest.raises(RedoubtError, match="not the one that its record describes"):
        Checkpoints(root, run).load()
    path.unlink()
    with pytest.raises(RedoubtError, match="dvc pull"):
        Checkpoints(root, run).load()


def settings(**changes):
    return Training(source="ours: a test", epochs=1, **changes)


def test_schedules():
    step = settings(schedule="step", milestones=(0.5, 0.75), gamma=0.1)
    assert [rate(step, p) for p in (0, 0.49, 0.5, 0.8)] == pytest.approx([1, 1, 0.1, 0.01])
    cosine = settings(schedule="cosine")
    assert [rate(cosine, p) for p in (0, 0.5, 1)] == pytest.approx([1, 0.5, 0])
    cycle = settings(schedule="one_cycle")
    assert rate(cycle, 0.4) == pytest.approx(1)
    assert rate(cycle, 0.2) == pytest.approx(0.5, abs=0.01)
    assert rate(cycle, 0.7) == pytest.approx(0.5)
    assert rate(settings(schedule="constant"), 0.9) == 1
    uneven = settings(schedule="step", milestones=(0.5, 0.6), gamma=(0.8, 0.5))
    assert [rate(uneven, p) for p in (0.4, 0.5, 0.7)] == pytest.approx([1, 0.8, 0.4])
    with pytest.raises(ValidationError, match="one for each of the milestones"):
        settings(milestones=(0.5, 0.6), gamma=(0.8,))


def test_averaged_weights_warm_up_where_the_study_says_so(root, monkeypatch):
    steps = (0, 1, 10, 10**6)
    assert [decay(settings(ema=0.999, ema_warmup=True), s) for s in steps] == [0.1, 2 / 11, 11 / 20, 0.999]
    assert [decay(settings(ema=0.999), s) for s in steps] == [0.999] * 4
    used = []
    monkeypatch.setattr("redoubt.training.trainer.average", lambda ema, model, d: used.append(d))
    text = STUDY.replace("optimizer: adam", "optimizer: adam, ema: 0.9, ema_warmup: true")
    (root / "studies" / "smoke.yaml").write_text(text)
    t = trainer(root, run_of(root))
    t.train()
    assert used[:3] == [0.1, 2 / 11, 3 / 12]
    assert len(used) == t.steps * t.t.epochs


def test_a_decay_comes_before_the_epoch_that_its_fraction_names():
    t = settings(schedule="step", milestones=["74/76"])
    for steps in (1, 7, 391):
        assert [rate(t, e * steps / (76 * steps)) for e in (73, 74)] == [1, 0.1]
        assert rate(t, (74 * steps - 1) / (76 * steps)) == 1


def test_each_decay_may_have_its_own_factor():
    t = settings(schedule="step", milestones=[0.5, 0.6, 0.7], gamma=[0.8, 0.5, 0.5])
    assert [rate(t, e / 20) for e in (9, 10, 12, 14)] == pytest.approx([1, 0.8, 0.4, 0.2])
    with pytest.raises(ValueError, match="one for each"):
        settings(milestones=[0.5], gamma=[0.5, 0.5])


def test_the_peak_of_one_cycle_is_a_setting_and_momentum_may_follow():
    t = settings(schedule="one_cycle", peak=0.5, peak_momentum=0.8)
    assert rate(t, 0.5) == 1
    assert rate(t, 0.75) == pytest.approx(0.5)
    assert [momentum(t, p) for p in (0.5, 0.75, 1)] == pytest.approx([0.8, 0.85, 0.9])
    assert momentum(settings(schedule="one_cycle"), 0.5) == 0.9


def test_average_is_the_moving_mean_and_copies_counters():
    a, b = torch.nn.BatchNorm1d(2), torch.nn.BatchNorm1d(2)
    with torch.no_grad():
        a.weight.fill_(1.0)
        b.weight.fill_(3.0)
    b.num_batches_tracked.fill_(7)
    average(a, b, 0.9)
    assert a.weight.tolist() == pytest.approx([1.2, 1.2])
    assert a.num_batches_tracked == 7


def test_averaged_weights_are_the_ones_written(root):
    text = STUDY.replace("optimizer: adam", "optimizer: adam, ema: 0.5")
    (root / "studies" / "smoke.yaml").write_text(text)
    run = run_of(root)
    t = trainer(root, run)
    t.train()
    model = Checkpoints(root, run).load("last")
    assert all(torch.equal(v, t.ema.state_dict()[k]) for k, v in model.state_dict().items())


def test_a_full_disk_is_one_clear_error(root, monkeypatch):
    from pathlib import Path

    run = run_of(root)

    def full(self, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(RedoubtError, match="No space left on device"):
        trainer(root, run).train()
