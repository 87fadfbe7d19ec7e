"""What a classifier sees in the salient and in the trivial part of attacked images: claims C1 and C2 of PSSR."""

from itertools import combinations

import torch
from torch import Tensor, nn

from redoubt.defenses.pixel_surgery import Rule, Surgery, as_many
from redoubt.seeds import generator

PARTS = ("whole", "salient", "trivial", "random_as_salient", "random_as_trivial")


def decompose(
    classifier: nn.Module, images: dict[str, Tensor], y: Tensor, *, rule: Rule | None = None, seed: int = 0
) -> dict[str, list[dict[str, float | str]]]:
    """Takes each attack's version of the same images apart.

    Args:
        classifier: in eval mode; its gradients decide what is salient, and it judges the parts.
        images: by the name of the attack (or `natural`), each (N, C, H, W) in [0, 1], in the same order.
        y: (N,) true labels.
        rule: how images are cut and what fills the gaps; `kept` is not used. Default: `Rule()`.
        seed: of the random masks, one for each image, with as many kept pixels as the part that they control.

    Returns:
        Rows of plain numbers. `accuracy`: attack, part (`PARTS`), accuracy in [0, 1], kept (mean share of pixels).
        `distance`: first and second attack, and for `salient` and `trivial` the mean distance of the two versions'
        parts: the mean of |a - b| over the pixels that belong to the part of either, so that a part is not near
        because it is small.
    """
    surgery = Surgery(classifier, rule or Rule())
    draws = generator(y.device, seed, "masks of the decomposition")
    parts = {name: surgery.parts(x) for name, x in images.items()}
    accuracy = []
    for name, x in images.items():
        salient = parts[name].mask
        masks = {
            "whole": torch.ones_like(salient),
            "salient": salient,
            "trivial": 1 - salient,
            "random_as_salient": as_many(salient, draws),
            "random_as_trivial": as_many(1 - salient, draws),
        }
        for part, kept in masks.items():
            with torch.no_grad():
                right = classifier(surgery.fill(x, kept)).argmax(1) == y
            row = {"accuracy": right.float().mean().item(), "kept": kept.mean().item()}
            accuracy.append({"attack": name, "part": part, **row})
    distance = []
    for first, second in combinations(images, 2):
        a, b = parts[first], parts[second]
        row = {
            "salient": _apart(a.salient, b.salient, torch.maximum(a.mask, b.mask)),
            "trivial": _apart(a.trivial, b.trivial, torch.maximum(1 - a.mask, 1 - b.mask)),
        }
        distance.append({"first": first, "second": second, **row})
    return {"accuracy": accuracy, "distance": distance}


def _apart(a: Tensor, b: Tensor, either: Tensor) -> float:
    """The mean over images of the mean of |a - b| over `either`, (N, 1 or C, H, W) of 0 and 1."""
    either = either.expand_as(a)
    total = ((a - b).abs() * either).flatten(1).sum(1)
    return (total / either.flatten(1).sum(1).clamp_min(1)).mean().item()
