"""The rows of a result record: what an attack found, judged by what is deployed, one bit an image.

rows.judged(name, spec, result, x, y, deployed=model, seed=0, batch_size=250, began=time.perf_counter())
"""

import time
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from redoubt.attacks.core.engine import AttackResult, Model, distance, predict
from redoubt.attacks.core.eot import DRAWS, is_random, repeated
from redoubt.config import AttackSpec
from redoubt.errors import RedoubtError
from redoubt.records.packed_booleans import pack
from redoubt.seeds import derive

TOLERANCE = 1e-5  # float32 rounding of x + delta, in pixels
UNBOUNDED = ("stadv", "corruption")  # their strength is not a norm of the difference of pixels


def natural(deployed: Model, x: Tensor, y: Tensor, batch_size: int) -> AttackResult:
    """The images as they are; `info["easier_half"]` is the half of the images with the smaller loss."""
    with torch.no_grad():
        logits = torch.cat([deployed(xb) for xb in x.split(batch_size)])
    loss = nn.functional.cross_entropy(logits, y, reduction="none")
    easier = torch.zeros_like(y, dtype=torch.bool)
    easier[loss.argsort(stable=True)[: len(loss) // 2]] = True  # half of the images, whatever ties there are
    info = {"easier_half": pack(easier.cpu().numpy())}
    return AttackResult(x, logits.argmax(1) == y, forward=len(x), info=info)


def judged(
    name: str, spec: AttackSpec, result: AttackResult, x: Tensor, y: Tensor, *, deployed: Model, seed: int,
    batch_size: int, began: float,
) -> list[dict[str, Any]]:  # fmt: skip
    """One row; two for a random model whose attack asks for `draws`: see `verdicts`.

    Args:
        name, spec: of the evaluation, norm and radius filled in.
        result: what was crafted from the images x (N, C, H, W) with labels y.
        began: `time.perf_counter()` where the attack began.

    Raises:
        RedoubtError: see `row`.
    """
    found = []
    for suffix, rule, verdict in verdicts(
        spec, result, y, deployed=deployed, seed=seed, batch_size=batch_size
    ):
        made = row(name + suffix, spec, verdict, x, time.perf_counter() - began, seed)
        # What is right in every draw is not compared with what is right in one: it stays out of `worst`.
        role = "diagnostic" if suffix else spec.role
        found.append({**made, "role": role, "judged": rule})
    return found


def verdicts(
    spec: AttackSpec, result: AttackResult, y: Tensor, *, deployed: Model, seed: int, batch_size: int
) -> list[tuple[str, str, AttackResult]]:
    """(suffix of the row's name, rule, verdict) of points, by what is deployed, whatever they were crafted on.

    A random model is judged by draws that no attack saw: the first decides the row, and with `spec.draws` K a
    second row counts an image as correct only where all of K are right.
    """
    x = result.x_adv
    if is_random(deployed, x):
        fresh = repeated(deployed, x, y, max(spec.draws, DRAWS), derive(seed, "verdict"), batch_size)
        result = replace(result, info={**result.info, "random": fresh.summary()})
        found = [("", "one fresh draw", fresh.correct[0])]
        if (k := spec.draws) > 1:
            rule = f"{k} fresh draws, broken once is broken"
            found.append((f"_every{k}", rule, fresh.correct[:k].all(0)))
        return [(suffix, rule, replace(result, correct=correct)) for suffix, rule, correct in found]
    if spec.view != "deployed" or spec.surrogate:
        result = replace(result, correct=predict(deployed, x, batch_size).argmax(1) == y)
    return [("", "the prediction", result)]


def row(
    name: str, spec: AttackSpec, result: AttackResult, x: Tensor, seconds: float, seed: int
) -> dict[str, Any]:
    """One evaluation; refuses perturbations that left the ball or the pixel range."""
    norm, eps = cast(str, spec.norm), cast(float, spec.eps)  # `attacks_of` has filled them in
    largest = distance(result.x_adv, x, norm).max().item()
    low, high = result.x_adv.min().item(), result.x_adv.max().item()
    if low < 0 or high > 1 or (spec.attack not in UNBOUNDED and largest > eps + TOLERANCE):
        raise RedoubtError(
            f"the attack {name} left what it may change: no number was recorded",
            value=f"pixels {low:.6g} to {high:.6g}, distance {largest:.6g}",
            allowed=f"pixels 0 to 1, distance up to {spec.eps}",
        )
    correct = result.correct.cpu().numpy()
    return {
        "name": name,
        "attack": spec.attack,
        "checkpoint": spec.checkpoint,
        "view": spec.view,
        "surrogate": spec.surrogate,
        "role": spec.role,
        "norm": spec.norm,
        "eps": spec.eps,
        "params": spec.params,
        "seed": seed,
        "n": len(correct),
        "correct_count": int(correct.sum()),
        "correct": pack(correct),
        "max_perturbation": largest,
        "seconds": round(seconds, 3),
        "forward": result.forward,
        "backward": result.backward,
        "info": result.info,
    }


def within(rows: list[dict[str, Any]], norm: str, eps: float) -> list[dict[str, Any]]:
    """The main attacks of a ball: those whose survivors a probe is told of."""
    return [
        r
        for r in rows
        if r["role"] == "main" and r["norm"] == norm and r["eps"] <= eps and r["attack"] not in UNBOUNDED
    ]
