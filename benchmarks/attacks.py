"""Our attacks beside the reference packages: same model, same images, same settings, in one run.

    python benchmarks/attacks.py            # everything, about 6 minutes on one thread
    python benchmarks/attacks.py --only pgd

AutoAttack against pyautoattack 0.2.0; PGD-20 against foolbox, adv-lib and a plain loop, those that are installed.
Prints a table and writes benchmarks/out/attacks.json; nothing is asserted on time.
"""

import argparse
import logging
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from harness import alternate, machine, show, versus, write
from sklearn.datasets import load_digits
from torch import Tensor, nn

from redoubt import attacks, models
from redoubt.attacks.core.pgd_step import ascend, random_start, step
from redoubt.seeds import generator


@dataclass
class Scene:
    """A robust model and the images that it is attacked on."""

    name: str
    model: nn.Module
    x: Tensor
    y: Tensor


class Tally(nn.Module):
    """Counts the images that go through a model, forward and backward, whoever drives it."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model
        self.forward_images = self.backward_images = 0

    def forward(self, x: Tensor) -> Tensor:
        self.forward_images += len(x)
        logits = self.model(x)
        if logits.requires_grad:
            logits.register_hook(self._count)
        return logits

    def _count(self, gradient: Tensor) -> None:
        self.backward_images += len(gradient)


def digits(side: int, test: int, device: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """scikit-learn's digits, enlarged to side x side: training images and labels, then test images and labels."""
    found = load_digits()
    order = torch.randperm(len(found.target), generator=generator("cpu", "benchmark digits"))
    x = torch.tensor(found.images / 16, dtype=torch.float32)[order, None]
    if side != 8:
        x = nn.functional.interpolate(x, size=(side, side), mode="bilinear").clamp(0, 1)
    x, y = x.to(device), torch.tensor(found.target)[order].to(device)
    return x[test:], y[test:], x[:test], y[:test]


def robust_scene(name: str, network: dict, side: int, n: int, eps: float, epochs: int, device: str) -> Scene:
    """A network after a short adversarial training (3 linf steps; eps grows over the first half)."""
    x, y, x_test, y_test = digits(side, 500, device)
    draws = generator(device, "benchmark training", name)
    torch.manual_seed(0)
    model = models.classifier(**network, num_classes=10, in_channels=1, image_size=side).to(device)
    steps = epochs * -(-len(x) // 64)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    for epoch in range(epochs):
        radius = eps * min(1.0, 2 * (epoch + 1) / epochs)
        for i in torch.randperm(len(x), generator=draws, device=device).split(64):
            model.eval()
            loss = lambda z, i=i: nn.functional.cross_entropy(model(z), y[i])
            start = random_start(x[i], "linf", radius, draws)
            z = ascend(loss, x[i], eps=radius, step_size=radius / 2, steps=3, start=start)
            model.train()
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(z), y[i]).backward()
            optimizer.step()
            schedule.step()
    return Scene(name, model.eval(), x_test[:n], y_test[:n])


def compare(title: str, contestants: dict[str, Callable], scene: Scene, turns: int) -> list[dict]:
    """Rows of ours, the first contestant, against each other one. A contestant maps a model to verdicts (N,)."""
    tallies: dict[str, Tally] = {}

    def run(name: str) -> Callable[[], Tensor]:
        def once() -> Tensor:
            tallies[name] = Tally(scene.model).eval()
            return contestants[name](tallies[name])

        return once

    timed = alternate({name: run(name) for name in contestants}, turns)
    ours, *peers = contestants
    per_image = lambda name: (
        f"{tallies[name].forward_images / len(scene.x):.0f}+{tallies[name].backward_images / len(scene.x):.0f}"
    )
    rows = []
    for peer in peers:
        verdicts = [timed[name].value for name in (ours, peer)]
        rows.append(
            {
                "name": title, "peer": peer, "scene": scene.name, "n": len(scene.x),
                **versus(timed[ours], timed[peer]),
                "ours_robust": round(verdicts[0].float().mean().item(), 4),
                "peer_robust": round(verdicts[1].float().mean().item(), 4),
                "differ": int((verdicts[0] != verdicts[1]).sum()),
                "ours_passes": per_image(ours), "peer_passes": per_image(peer),
            }
        )  # fmt: skip
    return rows


def autoattack(scene: Scene, eps: float, norm: str, turns: int, **settings) -> list[dict]:
    """`standard` with both backends: one row for the suite, which says whether every stage left the same survivors."""
    stages: dict[str, list[dict]] = {}

    def run(backend: str, model: nn.Module) -> Tensor:
        result = attacks.get("autoattack")(
            model, scene.x, scene.y, eps=eps, norm=norm, backend=backend, **settings
        )
        stages[backend] = result.info["stages"]
        return result.correct

    title = f"AutoAttack standard, {norm} {eps:g}" + (f", {settings}" if settings else "")
    contestants = {b: partial(run, b) for b in ("redoubt", "pyautoattack")}
    (row,) = compare(title, contestants, scene, turns)
    pairs = list(zip(stages["redoubt"], stages["pyautoattack"], strict=True))
    row["same_survivors"] = all(a["bits"] == b["bits"] for a, b in pairs)
    row["stages"] = [
        {"name": a["name"], "standing": a["standing"], "ours_s": a["seconds"], "peer_s": b["seconds"]}
        for a, b in pairs
    ]
    return [row]


def pgd(scene: Scene, eps: float, turns: int) -> list[dict]:
    """PGD-20 from a random start, steps of eps / 4, in batches of 250: each package's own default otherwise."""
    size, x, y = eps / 4, scene.x, scene.y

    def ours(model):
        return attacks.get("pgd")(model, x, y, eps=eps, steps=20, step_size=size, batch_size=250).correct

    def plain(model):
        z = random_start(x, "linf", eps, generator(x.device, "plain loop"))
        for _ in range(20):
            z.requires_grad_()
            (gradient,) = torch.autograd.grad(nn.functional.cross_entropy(model(z), y, reduction="sum"), z)
            z = step(z.detach(), gradient, x, "linf", eps, size)
        with torch.no_grad():
            return model(z).argmax(1) == y

    found = {"redoubt": ours, "plain loop": plain}
    try:
        import foolbox
    except ImportError:
        print("foolbox is not installed: left out")
    else:

        def by_foolbox(model):
            bounds = foolbox.PyTorchModel(model, bounds=(0, 1), device=x.device)
            attack = foolbox.attacks.LinfPGD(abs_stepsize=size, steps=20, random_start=True)
            return torch.cat(
                [
                    ~attack(bounds, a, b, epsilons=eps)[2]
                    for a, b in zip(x.split(250), y.split(250), strict=True)
                ]
            )

        found["foolbox"] = by_foolbox
    try:
        sys.modules.setdefault("visdom", types.SimpleNamespace(Visdom=None))  # only its plots need it
        from adv_lib.attacks import pgd_linf
    except ImportError:
        print("adv-lib is not installed: left out")
    else:

        def by_adv_lib(model):
            z = pgd_linf(model, x, y, eps, steps=20, random_init=True, absolute_step_size=size)
            with torch.no_grad():
                return model(z).argmax(1) == y

        found["adv-lib"] = by_adv_lib
    return compare(f"PGD-20, linf {eps:g}", found, scene, turns)


def main() -> None:
    """Prints the tables and writes benchmarks/out/attacks.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=["pgd", "digits", "wide"], help="one part of it")
    parser.add_argument("--turns", type=int, default=2, help="runs of each contestant, in alternation")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    logging.disable(logging.WARNING)  # the reference logs its own checks
    where, rows = machine(), []
    if given.only != "wide":
        small = {"name": "small_cnn", "width": 16}
        scene = robust_scene("small_cnn width 16, 8x8 digits", small, 8, 500, 0.2, 12, given.device)
        if given.only != "digits":
            rows += pgd(scene, 0.2, 5 * given.turns)
        if given.only != "pgd":
            rows += autoattack(scene, 0.2, "linf", given.turns)
            rows += autoattack(scene, 0.9, "l2", given.turns)
    if given.only in (None, "wide"):
        wide = {"name": "wrn", "depth": 10, "widen": 2}
        scene = robust_scene("WRN-10-2, 32x32 digits", wide, 32, 100, 0.2, 4, given.device)
        rows += autoattack(scene, 0.2, "linf", given.turns, steps=20, queries=500)
    rows = [{**row, "machine": where} for row in rows]
    write("attacks", rows)
    show(where, [_printed(row) for row in rows])


def _printed(row: dict) -> dict[str, object]:
    """A row of the table, ours before the peer's."""
    both = lambda key: f"{row[f'ours_{key}']} / {row[f'peer_{key}']}"
    same = row.get("same_survivors")
    return {
        "attack": f"{row['name']}\n{row['scene']}, {row['n']} images",
        "peer": row["peer"],
        "seconds": both("s"),
        "ratio": row["ratio"],
        "cpu ratio": row["cpu_ratio"],
        "robust": both("robust"),
        "verdicts differ": str(row["differ"])
        + {True: "; all stages equal", False: "; STAGES DIFFER", None: ""}[same],
        "passes an image (F+B)": both("passes"),
    }


if __name__ == "__main__":
    main()
