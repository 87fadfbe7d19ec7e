"""PGD-10 adversarial training: our loop beside a plain float32 one in the style of the public trainers, in one run.

    python benchmarks/training.py                    # a GPU: PreActResNet-18, batch 128; a CPU: width 16, batch 64
    python benchmarks/training.py --only eager       # without torch.compile, whose first step takes a minute

The plain loop crafts in train mode with trainable weights, as most public trainers do, so it also computes the weights'
gradients in every attack step. Model FLOP utilisation counts what PGD-10 needs (in forward passes: 2 for a step of the
attack, 3 for the update) against the matrix rate measured here. Prints a table and writes benchmarks/out/training.json;
nothing is asserted on time.
"""

import argparse
import copy
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from harness import alternate, machine, show, versus, write
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from redoubt import data, models
from redoubt.attacks.core.pgd_step import random_start
from redoubt.config import Training
from redoubt.defenses.base import Batch, State
from redoubt.defenses.pgd_at import PgdAt
from redoubt.seeds import generator
from redoubt.training.optimization import optimizer
from redoubt.training.precision import resolve

EPS, SIZE, STEPS, CLASSES = 8 / 255, 2 / 255, 10, 10


def settings(**changes) -> Training:
    """The schedule of both sides."""
    return Training(source="ours: benchmark", epochs=1, augment="crop_flip", **changes)


class Ours:
    """Steps of `redoubt.training.trainer` at its settings, on images that lie on the device as bytes."""

    def __init__(self, model: nn.Module, x: Tensor, y: Tensor, batch: int, t: Training):
        self.x, self.y, self.batch, self.t = x, y, batch, t
        threat, params = {"norm": "linf", "eps": EPS}, PgdAt.Params(steps=STEPS, step_size=SIZE / EPS)
        self.defense = PgdAt(shape=(CLASSES, 3, 32), architecture={}, threat=threat, params=params)
        self.model = copy.deepcopy(model).to(memory_format=torch.channels_last)
        made = self.defense.optimizers(self.model, optimizer(t))
        self.state = State(self.model, made, generator(x.device, "benchmark"))
        self.speed = resolve(t, str(x.device))
        self.speed.compile(self.model)

    def run(self, steps: int) -> Tensor:
        """The loss of the last of so many steps."""
        self.model.train()
        draws = self.state.generator
        for _ in range(steps):
            index = torch.randint(len(self.x), (self.batch,), generator=draws, device=self.x.device)
            x = data.augment(data.to_float(self.x[index]), draws, self.t.augment)
            batch = Batch(x.contiguous(memory_format=torch.channels_last), self.y[index], index)
            self.speed.begin_step()
            with self.speed.autocast():
                loss = self.defense.step(batch, self.state)["loss"]
        return loss.clone()


class Plain:
    """The loop that public trainers share: loader on the host, weights trainable in the attack, `.item()` a step."""

    def __init__(self, model: nn.Module, x: Tensor, y: Tensor, batch: int):
        self.x, self.y, self.batch, self.device = x.cpu(), y.cpu(), batch, x.device
        self.model = copy.deepcopy(model)
        self.optimizer = torch.optim.SGD(
            self.model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, foreach=False
        )
        self.draws, self.seen = generator("cpu", "benchmark"), 0.0

    def run(self, steps: int) -> Tensor:
        """The loss of the last of so many steps."""
        model = self.model.train()
        for _ in range(steps):
            index = torch.randint(len(self.x), (self.batch,), generator=self.draws)
            x = data.augment(data.to_float(self.x[index]), self.draws, "crop_flip").to(self.device)
            y = self.y[index].to(self.device)
            delta = (random_start(x, "linf", EPS, None) - x).requires_grad_()
            for _ in range(STEPS):
                loss = F.cross_entropy(model(x + delta), y)
                loss.backward()
                moved = (delta.detach() + SIZE * delta.grad.sign()).clamp(-EPS, EPS)
                delta.data = (x + moved).clamp(0, 1) - x
                delta.grad.zero_()
            logits = model(x + delta.detach())
            loss = F.cross_entropy(logits, y)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            # What such loops log: the loss and the accuracy of each step, which waits for the device.
            self.seen += loss.item() + (logits.argmax(1) == y).float().mean().item()
        return loss.detach()


def forward_flops(model: nn.Module, device: torch.device) -> float:
    """Floating-point operations of the forward pass of one image."""
    with FlopCounterMode(display=False) as counted, torch.no_grad():
        copy.deepcopy(model).eval()(torch.zeros(1, 3, 32, 32, device=device))
    return counted.get_total_flops()


def matrix_rate(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP/s of a large square matrix product in `dtype`: the best of 5."""
    n, best = 8192 if device.type == "cuda" else 1024, 0.0
    a, b = (torch.randn(n, n, device=device).to(dtype) for _ in range(2))
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(10):
            c = a @ b
        c[0, 0].item()
        best = max(best, 10 * 2 * n**3 / (time.perf_counter() - began))
    return best


def contestants(device: torch.device, only: str | None, width: int, batch: int) -> dict[str, object]:
    """Name: a loop with a method `run(steps)`; the plain one last."""
    draws = generator("cpu", "benchmark images")
    x = torch.randint(256, (4 * batch, 3, 32, 32), generator=draws, dtype=torch.uint8).to(device)
    y = torch.randint(CLASSES, (4 * batch,), generator=draws).to(device)
    torch.manual_seed(0)
    shape = {"num_classes": CLASSES, "in_channels": 3, "image_size": 32}
    model = models.classifier("preactresnet18", width=width, **shape).to(device)
    precision = "bf16" if device.type == "cuda" else "float32"
    found = {}
    if only != "eager":
        found[f"redoubt, {precision}, compiled"] = Ours(
            model, x, y, batch, settings(precision=precision, compile="on")
        )
    found[f"redoubt, {precision}, eager"] = Ours(model, x, y, batch, settings(precision=precision))
    found["plain float32 loop"] = Plain(model, x, y, batch)
    return found


def main() -> None:
    """Prints the table and writes benchmarks/out/training.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=["eager"], help="leave the compiled loop out")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--steps", type=int, help="of training in a turn; default 50 on a GPU, 1 on a CPU")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    device = torch.device(given.device)
    gpu = device.type == "cuda"
    width, batch, steps = (64, 128, given.steps or 50) if gpu else (16, 64, given.steps or 1)
    loops, where = contestants(device, given.only, width, batch), machine()
    first = {}
    for name, loop in loops.items():
        began = time.perf_counter()
        loop.run(2)
        first[name] = round(time.perf_counter() - began, 1)
    runs: dict[str, Callable[[], object]] = {
        n: lambda loop=loop: loop.run(steps).item() for n, loop in loops.items()
    }
    timed = alternate(runs, given.turns)
    *ours, plain = loops
    needed = forward_flops(loops[plain].model, device) * (2 * STEPS + 3)
    rate = matrix_rate(device, torch.bfloat16 if gpu else torch.float32)
    rows = [
        {
            "name": f"PGD-{STEPS} training, PreActResNet-18 width {width}, batch {batch}: {name}",
            "peer": plain,
            **versus(timed[name], timed[plain]),
            "steps": steps,
            "images_per_s": round(steps * batch / timed[name].wall, 1),
            "flops_per_image": needed,
            "matrix_flops_per_s": rate,
            "utilisation": round(needed * batch * steps / timed[name].wall / rate, 4),
            "first_two_steps_s": first[name],
            "machine": where,
        }
        for name in [*ours, plain]
    ]  # fmt: skip
    write(Path(__file__).stem, rows)
    show(where, [_printed(row) for row in rows])


def _printed(row: dict) -> dict[str, object]:
    return {
        "loop": row["name"],
        "s a step": row["ours_s"] / row["steps"],
        "images/s": row["images_per_s"],
        "ratio to plain": row["ratio"],
        "by CPU seconds": row["cpu_ratio"],
        "utilisation": f"{100 * row['utilisation']:.0f} %",
        "first two steps, s": row["first_two_steps_s"],
    }


if __name__ == "__main__":
    main()
