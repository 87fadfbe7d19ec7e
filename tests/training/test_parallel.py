"""A training on two processes has the losses and weights of one process, to rounding."""

import os
import socket
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from redoubt import data
from redoubt.errors import RedoubtError
from redoubt.training import parallel
from redoubt.training.checkpoints import Checkpoints
from redoubt.training.trainer import Trainer
from tests.conftest import STUDY, run_of

# Their draws, their several backward passes, their own buffers and their masks of gradients are those of one process.
RUNS = ("pgd_at/main", "pgd_at/plain", "trades/main", "uiat/main", "cure/main", "afd/main")
DEFENSES = """
defenses:
  standard: {}
  pgd_at:
    params: {steps: {value: 2, source: "ours: tests"}}
    variants:
      main: {}
      plain: {architecture: {name: cnn_a, source: "ours: tests"}}
  trades: {params: {steps: {value: 2, source: "ours: tests"}}}
  uiat: {params: {steps: {value: 2, source: "ours: tests"}}}
  cure: {starts_from: standard/main, params: {steps: {value: 2, source: "ours: tests"}}}
  afd: {starts_from: standard/main, params: {steps: {value: 2, source: "ours: tests"}}}
"""
TRAIN = """
import sys
from pathlib import Path
from tests.training.test_parallel import trained
for name in sys.argv[2:]:
    trained(Path(sys.argv[1]), name)
"""


def trained(root, name):
    """Trains in double precision, in which the sign of a small gradient does not hang on the order of a sum."""
    single, data.to_float = data.to_float, lambda x: x.double() / 255
    torch.set_default_dtype(torch.float64)
    try:
        Trainer(root, run_of(root, name), data.load(root / "data" / "smoke"), "cpu").train()
    finally:
        data.to_float = single
        torch.set_default_dtype(torch.float32)


def on_two(root, *names):
    """Trains on two processes; what each said."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    started = [
        subprocess.Popen(
            [sys.executable, "-c", TRAIN, str(root), *names],
            env={**os.environ, "RANK": rank, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for rank in ("0", "1")
    ]  # fmt: skip
    said = [process.communicate(timeout=120)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    return said


def study(root, **training):
    text = STUDY[: STUDY.index("defenses:")]
    extra = "".join(f", {k}: {v}" for k, v in training.items())
    # Steps of 51 images, and a last one of 1, which no process can share.
    text = text.replace("optimizer: adam, lr: 0.01", f"optimizer: sgd, lr: 0.02, batch_size: 51{extra}")
    (root / "studies" / "smoke.yaml").write_text(text + DEFENSES)


def test_two_processes_train_what_one_does(root):
    study(root, sync_batch_norm="true", ema=0.9)
    alone = {}
    for name in ("standard/main", *RUNS):
        trained(root, name)
        kept = Checkpoints(root, run_of(root, name))
        alone[name] = kept.record()["history"], load_file(kept.path("last"))
        if name != "standard/main":
            for path in kept.folder.iterdir():
                path.unlink()
    said = on_two(root, *RUNS)
    assert "epoch 2/2" in said[0]
    assert "epoch" not in said[1], "the first process alone speaks"
    for name in RUNS:
        history, weights = alone[name]
        kept = Checkpoints(root, run_of(root, name))
        record, found = kept.record(), load_file(kept.path("last"))
        assert record["speed"]["processes"] == 2
        for old, new in zip(history, record["history"], strict=True):
            assert new["loss"] == pytest.approx(old["loss"], rel=1e-9), name
        for key, tensor in weights.items():
            assert torch.allclose(found[key], tensor, rtol=0, atol=1e-9), (name, key)


def test_processes_that_cannot_meet_are_refused(monkeypatch):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "two")
    with pytest.raises(RedoubtError, match="WORLD_SIZE"):
        parallel.asked()
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    with pytest.raises(RedoubtError, match="torchrun"):
        parallel.join.__wrapped__("cpu")
