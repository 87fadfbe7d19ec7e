"""Compiled or not, bf16 or not: the same names of weights, nearly the same numbers, clear words where it cannot be."""

import shutil

import pytest
import torch
from torch import nn

from redoubt import data, models
from redoubt.config import Training
from redoubt.records.files import read_json
from redoubt.training import bf16_trial, precision
from redoubt.training.checkpoints import Checkpoints
from redoubt.training.trainer import Trainer
from tests.conftest import STUDY, run_of


def settings(**changes):
    return Training(source="ours: a test", epochs=1, **changes)


def trained(root, name="pgd_at/main", **changes):
    """The weights and the record of a smoke run with changed schedule values."""
    words = "".join(f", {key}: {value}" for key, value in changes.items())
    text = STUDY.replace("optimizer: adam", f"optimizer: adam{words}")
    (root / "studies" / "smoke.yaml").write_text(text)
    run = run_of(root, name)
    Trainer(root, run, data.load(root / "data" / "smoke"), "cpu").train()
    model = Checkpoints(root, run).load("last")
    return model.state_dict(), read_json(Checkpoints(root, run).record_file, "")


@pytest.fixture
def traced(monkeypatch):
    """torch.compile without a backend: traces and guards as ever, generates no code."""
    torch.compiler.reset()
    plain = nn.Module.compile
    monkeypatch.setattr(
        nn.Module,
        "compile",
        lambda self, mode=None, dynamic=None: plain(self, backend="eager", dynamic=dynamic),
    )
    yield
    torch.compiler.reset()


def largest_difference(a, b):
    assert list(a) == list(b)
    return max((a[k].double() - b[k].double()).abs().max().item() for k in a)


def test_off_unless_asked_and_auto_is_for_gpus():
    assert precision.resolve(settings(), "cpu") == precision.Speed("cpu")
    assert not precision.resolve(settings(compile="auto"), "cpu").compiled
    asked = precision.resolve(settings(compile="on"), "cpu")
    assert asked.compiled == (shutil.which("c++") is not None)
    assert not asked.graphs


def test_a_gpu_gets_graphs_unless_the_defense_goes_back_twice(monkeypatch):
    monkeypatch.setattr(precision, "_lacks", lambda kind: None)
    monkeypatch.setattr(precision, "_has_bf16", lambda kind: True)
    asked = settings(compile="auto", precision="bf16")
    assert precision.resolve(asked, "cuda:0") == precision.Speed("cuda", True, compiled=True, graphs=True)
    assert precision.resolve(asked, "cuda:0", graphs=False) == precision.Speed("cuda", True, compiled=True)


def test_without_a_compiler_it_says_so_and_trains_the_same_weights(root, monkeypatch, capsys):
    plain, _ = trained(root)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    there, record = trained(root, compile='"on"')
    assert largest_difference(plain, there) == 0
    (why,) = record["speed"]["declined"]
    assert "install g++" in why
    assert not record["speed"]["compiled"]
    assert "no C++ compiler" in capsys.readouterr().err


def test_bf16_without_hardware_is_float32_and_said(root, monkeypatch):
    monkeypatch.setattr(precision, "_has_bf16", lambda kind: False)
    plain, _ = trained(root)
    there, record = trained(root, precision="bf16")
    assert largest_difference(plain, there) == 0
    assert "emulates" in record["speed"]["declined"][0]


def test_bf16_keeps_float32_weights_and_nearly_the_same_curve(root, monkeypatch):
    """Loss within 0.1 of float32 in each epoch, accuracies within 12 of 50 images."""
    monkeypatch.setattr(precision, "_has_bf16", lambda kind: True)
    plain, in_float32 = trained(root)
    there, in_bf16 = trained(root, precision="bf16")
    assert in_bf16["speed"]["bf16"]
    assert 0 < largest_difference(plain, there) < 0.2
    assert {v.dtype for v in there.values() if v.is_floating_point()} == {torch.float32}
    for a, b in zip(in_float32["history"], in_bf16["history"], strict=True):
        assert b["loss"] == pytest.approx(a["loss"], abs=0.1)
        assert b["robust"] == pytest.approx(a["robust"], abs=0.25)


def test_auto_takes_what_the_measurement_says_and_records_it(root, monkeypatch):
    monkeypatch.setattr(precision, "_has_bf16", lambda kind: True)
    plain, _ = trained(root)
    for gain, chosen in ((1.5, True), (1.05, False)):
        monkeypatch.setattr(bf16_trial, "gain", lambda *_, gain=gain: gain)
        there, record = trained(root, precision="auto")
        assert record["speed"]["bf16"] is chosen
        assert record["speed"]["bf16_gain"] == gain
        assert (largest_difference(plain, there) > 0) is chosen


def test_auto_measures_nothing_where_bf16_is_emulated(root, monkeypatch):
    monkeypatch.setattr(precision, "_has_bf16", lambda kind: False)
    monkeypatch.setattr(bf16_trial, "gain", lambda *_: pytest.fail("measured"))
    _, record = trained(root, precision="auto")
    assert record["speed"]["bf16"] is False
    assert record["speed"]["bf16_gain"] is None
    assert record["speed"]["declined"] == []


@pytest.mark.parametrize(("first", "later"), [(1.5, 0.9), (0.9, 1.5)])
def test_a_resumed_training_keeps_the_recorded_choice(root, monkeypatch, first, later):
    monkeypatch.setattr(precision, "_has_bf16", lambda kind: True)
    monkeypatch.setattr(bf16_trial, "gain", lambda *_: first)
    whole, _ = trained(root, precision="auto")
    run = run_of(root)
    for path in Checkpoints(root, run).folder.iterdir():
        path.unlink()
    images = data.load(root / "data" / "smoke")
    assert not Trainer(root, run, images, "cpu").train(until=0)
    monkeypatch.setattr(bf16_trial, "gain", lambda *_: later)
    again = Trainer(root, run, images, "cpu")
    assert again.prepare().epoch == 1
    assert again.speed.bf16_gain == first
    there, record = trained(root, precision="auto")
    assert largest_difference(whole, there) == 0
    assert record["speed"]["bf16"] is (first > later)


def test_what_other_settings_left_decides_nothing(root, monkeypatch):
    monkeypatch.setattr(precision, "_has_bf16", lambda kind: True)
    monkeypatch.setattr(bf16_trial, "gain", lambda *_: 1.5)
    trained(root, precision="auto")
    run = run_of(root)
    for path in Checkpoints(root, run).folder.iterdir():
        path.unlink()
    images = data.load(root / "data" / "smoke")
    assert not Trainer(root, run, images, "cpu").train(until=0)
    monkeypatch.setattr(bf16_trial, "gain", lambda *_: 0.9)
    _, record = trained(root, precision="auto", momentum=0.8)
    assert record["speed"]["bf16_gain"] == 0.9


def test_the_measurement_is_made_once_and_leaves_the_draws_alone(root):
    defense = Checkpoints(root, run_of(root)).defense
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    gain = bf16_trial.gain(defense, 8, "cpu")
    assert gain > 0
    assert torch.equal(torch.rand(3), expected)
    assert bf16_trial.gain(defense, 8, "cpu") == gain


@pytest.mark.parametrize("name", ["pgd_at/main", "standard/main"])
def test_compiled_trains_the_same_weights_under_the_same_names(root, traced, name):
    plain, _ = trained(root, name, batch_size=60)
    there, record = trained(root, name, batch_size=60, compile='"on"')
    assert record["speed"]["compiled"]
    # A compiled attack keeps torch's batch norm, an eager one folds it: float32 rounding, then Adam's first steps.
    assert largest_difference(plain, there) < 2e-2


def test_only_whole_batches_run_compiled(root, traced, monkeypatch):
    seen = []
    forward = models.base.Classifier.forward

    def watched(self, x):
        if not torch.compiler.is_compiling():
            seen.append(len(x))
        return forward(self, x)

    monkeypatch.setattr(models.base.Classifier, "forward", watched)
    trained(root, batch_size=60, compile='"on"')
    assert 60 not in seen
    assert 256 % 60 in seen
    assert 50 in seen, "validation runs eagerly"


def test_a_compiled_training_is_resumed_with_the_same_bytes(root, traced, monkeypatch):
    plain, _ = trained(root, compile='"on"')
    run = run_of(root)
    for path in Checkpoints(root, run).folder.iterdir():
        path.unlink()
    first = Trainer(root, run, data.load(root / "data" / "smoke"), "cpu")
    assert not first.train(until=0)
    assert (Checkpoints(root, run).folder / "resume.pt").is_file()
    there, _ = trained(root, compile='"on"')
    assert largest_difference(plain, there) == 0


@pytest.mark.slow
def test_generated_code_trains_nearly_the_same_weights(root):
    plain, _ = trained(root)
    there, record = trained(root, compile='"on"')
    assert record["speed"]["compiled"]
    assert largest_difference(plain, there) < 2e-2
