"""What a training's `precision` and `compile` come to on this machine, and the passes compiled accordingly.

Weights stay float32 in every case; bf16 is what convolutions and products compute in. Attacks that are recorded never
run in here: they are float32, TF32 off, uncompiled.
"""

import contextlib
import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from redoubt.config import Training
from redoubt.models.base import Classifier
from redoubt.progress import console

NATIVE_BF16 = ("avx512_bf16", "amx_bf16")  # flags of a processor that does not emulate it 15 times slower

# Times faster than float32 that `precision: auto` asks of bf16: above the noise, so that all seeds choose alike.
PAYS = 1.15


@dataclass(frozen=True)
class Speed:
    """How the passes of one training run.

    Attributes:
        device: `cpu` or `cuda`.
        bf16: autocast to bfloat16 around float32 weights.
        bf16_gain: how many times faster than float32 it was when `precision: auto` measured it; None where it did not.
        compiled: classifiers run through torch.compile.
        graphs: their passes are replayed as CUDA graphs, so that a step does not wait for the host.
        declined: what was asked for and is not done here, with the reason; empty where all of it is.
        processes: that the passes are split over (`parallel`).
    """

    device: str
    bf16: bool = False
    bf16_gain: float | None = None
    compiled: bool = False
    graphs: bool = False
    declined: tuple[str, ...] = ()
    processes: int = 1

    def summary(self) -> dict:
        """Plain data for a record."""
        return {**asdict(self), "declined": list(self.declined)}

    def autocast(self) -> torch.autocast:
        """The precision of a step's passes."""
        return torch.autocast(self.device, torch.bfloat16, enabled=self.bf16)

    def compile(self, model: nn.Module) -> None:
        """Compiles every classifier inside `model` in place; names of weights stay as they are.

        Shapes are static: a batch of another size, and everything inside `eagerly`, runs uncompiled.
        """
        if not self.compiled:
            return
        import torch._functorch.config

        # A method that goes back through one graph twice (CURE) needs the buffers that this would reuse.
        torch._functorch.config.donated_buffer = False
        for module in model.modules():
            if isinstance(module, Classifier):
                module.compile(mode="reduce-overhead" if self.graphs else None, dynamic=False)

    @contextlib.contextmanager
    def eagerly(self, when: bool = True) -> Iterator[None]:
        """Inside, nothing new is compiled and nothing compiled is used: odd batch sizes, validation."""
        if not (self.compiled and when):
            yield
            return
        with torch.compiler.set_stance("force_eager"):
            yield

    def begin_step(self) -> None:
        """Memory that CUDA graphs gave to the last step may be written again."""
        if self.graphs:
            torch.compiler.cudagraph_mark_step_begin()


def resolve(
    t: Training,
    device: str,
    graphs: bool = True,
    *,
    measure: Callable[[], float] = lambda: 1.0,
    begun: dict[str, Any] | None = None,
    processes: int = 1,
) -> Speed:
    """What can be had of `t.precision` and `t.compile` on a device.

    Args:
        graphs: whether the defense stands CUDA graphs (`Defense.graphs`).
        measure: how many times faster bf16 is here (`bf16_trial.gain`); asked for `precision: auto` only.
        begun: `Speed.summary` of a training that is gone on with: its choice stands, whatever was measured now.
        processes: of this training; on several nothing is compiled.
    """
    kind, declined, gain = torch.device(device).type, [], None
    native = t.precision != "float32" and _has_bf16(kind)
    if t.precision == "auto" and native:
        gain = begun["bf16_gain"] if begun else measure()
    bf16 = native and (t.precision == "bf16" or (gain or 0) >= PAYS)
    if t.precision == "bf16" and not native:
        declined.append("bf16: this device only emulates it, which is slower than float32")
    compiled = t.compile == "on" or (t.compile == "auto" and kind == "cuda")
    if compiled and (lacking := "the passes are split over processes" if processes > 1 else _lacks(kind)):
        compiled = False
        declined.append(f"compile: {lacking}")
    for what in declined:
        console.print(f"redoubt: not used here: {what}", markup=False)
    return Speed(
        kind, bf16, gain, compiled, compiled and graphs and kind == "cuda", tuple(declined), processes
    )


def _has_bf16(kind: str) -> bool:
    if kind == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    info = Path("/proc/cpuinfo")
    return info.is_file() and any(flag in info.read_text() for flag in NATIVE_BF16)


def _lacks(kind: str) -> str | None:
    """What torch.compile needs and this machine has not; None where it has all."""
    if kind == "cuda":
        if importlib.util.find_spec("triton") is None:
            return "the package triton is missing"
        if torch.cuda.get_device_capability() < (7, 0):
            return "this GPU is older than what triton compiles for (7.0)"
    if sys.platform == "win32":
        return "it is not tried on Windows"
    if not any(shutil.which(c) for c in (os.environ.get("CXX"), "c++", "g++", "clang++") if c):
        return "no C++ compiler is found (install g++, or name one in CXX)"
    return None
