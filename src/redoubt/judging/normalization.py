"""Whether a model takes [0, 1] pixels as it was trained to: it may normalize twice, or lack its normalization.

Two signs: its accuracy is higher on pixels that were normalized once more or once less, and what its first layer with
weights gets is an affine function of the pixels that is two normalizations in a row.
"""

import itertools
import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from redoubt.evaluation.checks import check
from redoubt.models.base import STATISTICS
from redoubt.statistics.intervals import mcnemar

LOOKED_AT = 256  # images; ours
GAIN = 0.05  # ours: so much more accuracy on other pixels is no luck, where the paired test says so too
SURE = 0.001
OWN = "these images' own statistics"
CLOSE, NEAR = (
    0.02,
    0.2,
)  # how far two known normalizations may be off; of unknown ones, by the images' statistics


def input_scale(model: nn.Module, x: Tensor, y: Tensor) -> tuple[dict, list[str]]:
    """The check `judge_input_scale` of a record, and remarks.

    Args:
        model: from (N, C, H, W) in [0, 1] to logits.
        x, y: (N, C, H, W) and (N,); the first ones are looked at.
    """
    x, y = x[:LOOKED_AT], y[:LOOKED_AT]
    gain, said = _gain(model, x, y)
    why = f"accuracy gained on pixels normalized once more or once less, {len(x)} images"
    line = check("judge_input_scale", gain, GAIN, gain <= GAIN, f"{why}: it {said}" if said else why)
    remarks = []
    if gain > GAIN:
        remarks.append(
            f"The model is fed other pixels than it was trained on: it {said}. On those its accuracy is "
            f"{100 * gain:.1f} points higher, on {len(x)} images."
        )
    elif twice := _twice(model, x):
        remarks.append(
            f"The model normalizes twice ({twice}): its first layer gets pixels that were normalized two times. Its "
            "accuracy is not lower for it; if it was trained like this, nothing is wrong."
        )
    return line, remarks


def _known(x: Tensor) -> Iterator[tuple[str, Tensor, Tensor]]:
    """(name, mean, standard deviation) of the normalizations that a model may have been trained with."""
    column = lambda values: torch.tensor(values, device=x.device).view(1, -1, 1, 1)
    yield "to [-1, 1]", column([0.5] * x.shape[1]), column([0.5] * x.shape[1])
    for name, (mean, std) in STATISTICS.items():
        if len(mean) == x.shape[1]:
            yield f"by the statistics of {name}", column(mean), column(std)
    yield f"by {OWN}", x.mean((0, 2, 3), keepdim=True), x.std((0, 2, 3), keepdim=True) + 1e-6


def _gain(model: nn.Module, x: Tensor, y: Tensor) -> tuple[float, str]:
    """The largest gain in accuracy that a paired test is sure of, and what it says of the model; 0 without one."""

    def right(pixels: Tensor) -> np.ndarray:
        with torch.no_grad():
            return (model(pixels).argmax(1) == y).cpu().numpy()

    plain, best, said = right(x), 0.0, ""
    for name, mean, std in _known(x):
        undone, done = f"normalizes twice ({name})", f"lacks a normalization ({name})"
        for pixels, what in ((x * std + mean, undone), ((x - mean) / std, done)):
            other = right(pixels)
            gain = float(other.mean() - plain.mean())
            if gain > best and mcnemar(other, plain) < SURE:
                best, said = gain, what
    return best, said


def _twice(model: nn.Module, x: Tensor) -> str:
    """Which normalization the first layer's input has behind it twice; empty where it is none that is known."""
    seen = _first_input(model, x)
    fits = seen is not None and seen.shape[1:] == x.shape[1:]
    line = _affine(seen, x) if seen is not None and fits else None
    if line is None:
        return ""
    slope, offset = line
    for (one, m1, s1), (two, m2, s2) in itertools.product(_known(x), repeat=2):
        allowed = NEAR if OWN in one + two else CLOSE
        wanted = (1 / (s1 * s2)).flatten(), (-(m1 / s1 + m2) / s2).flatten()
        pairs = zip((slope, offset), wanted, strict=True)
        if all(((got - w).abs() <= allowed * w.abs().clamp_min(1)).all() for got, w in pairs):
            return one if one == two else f"{one}, then {two}"
    return ""


def _first_input(model: nn.Module, x: Tensor) -> Tensor | None:
    """What the first convolution or linear layer that is called gets."""
    seen: list[Tensor] = []
    kinds = (nn.Conv2d, nn.Linear)
    hooks = [
        m.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach()))
        for m in model.modules()
        if isinstance(m, kinds)
    ]
    try:
        with torch.no_grad():
            model(x[:32])
    finally:
        for hook in hooks:
            hook.remove()
    return seen[0] if seen else None


def _affine(seen: Tensor, x: Tensor) -> tuple[Tensor, Tensor] | None:
    """Slope and offset of each channel of `seen` as a function of x; None where it is no such function."""
    rows = lambda t: t.transpose(0, 1).flatten(1).double()
    a, b = rows(x[: len(seen)]), rows(seen)
    spread = a.var(1)
    if not (spread > 0).all():
        return None
    centered = a - a.mean(1, keepdim=True)
    slope = (centered * (b - b.mean(1, keepdim=True))).sum(1) / (centered**2).sum(1)
    offset = b.mean(1) - slope * a.mean(1)
    off = (slope[:, None] * a + offset[:, None] - b).abs().max().item()
    if not math.isfinite(off) or off > 1e-3 * (1 + b.abs().max().item()):
        return None
    return slope.float(), offset.float()
