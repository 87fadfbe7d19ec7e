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
        `distance`: first and second attack, and for each part but the whole the mean distance of the two versions:
        the mean of |a - b| over the pixels that belong to the part of either. Small parts overlap less and seem
        farther apart for that alone: only the excess over the random parts of equal size says something.
    """
    surgery = Surgery(classifier, rule or Rule())
    draws = generator(y.device, seed, "masks of the decomposition")
    masks = {name: _masks(surgery.salient(x), draws) for name, x in images.items()}
    accuracy, distance = [], []
    for name, x in images.items():
        for part, kept in masks[name].items():
            with torch.no_grad():
                right = classifier(surgery.fill(x, kept)).argmax(1) == y
            row = {"accuracy": right.float().mean().item(), "kept": kept.mean().item()}
            accuracy.append({"attack": name, "part": part, **row})
    for first, second in combinations(images, 2):
        row = {
            part: _apart(images[first], masks[first][part], images[second], masks[second][part])
            for part in PARTS[1:]
        }
        distance.append({"first": first, "second": second, **row})
    return {"accuracy": accuracy, "distance": distance}


def _masks(salient: Tensor, draws: torch.Generator) -> dict[str, Tensor]:
    """What is kept of each part, (N, 1 or C, H, W) of 0 and 1."""
    alone = (salient, 1 - salient, as_many(salient, draws), as_many(1 - salient, draws))
    return dict(zip(PARTS, (torch.ones_like(salient), *alone), strict=True))


def _apart(a: Tensor, kept_a: Tensor, b: Tensor, kept_b: Tensor) -> float:
    """The mean over images of the mean distance of two parts, over the pixels of either."""
    either = torch.maximum(kept_a, kept_b).expand_as(a)
    total = (a * kept_a - b * kept_b).abs().flatten(1).sum(1)
    return (total / either.flatten(1).sum(1).clamp_min(1)).mean().item()
