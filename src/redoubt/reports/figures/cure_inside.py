"""CURE's figures of what lies inside trained networks: CKA maps, gradients, smallest perturbations."""

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from redoubt import attacks
from redoubt.reports.analysis.cka import natural_against_adversarial
from redoubt.reports.analysis.gradients import magnitudes
from redoubt.reports.analysis.smallest import smallest
from redoubt.reports.figures.evidence import Evidence
from redoubt.reports.figures.shapes import bars, pixels, strip
from redoubt.reports.figures.style import SEQUENTIAL, Picture
from redoubt.reports.names import label

MAPPED = ("standard/main", "pgd_at/main", "cure/main", "block_freezing/u_34", "block_freezing/u_23")
IMAGES = 250


def adversarial(model, x, y, e: Evidence, eps: float | None = None):
    """PGD-20 images of the study's radius against a model."""
    norm, radius = e.threat
    radius = eps or radius
    return attacks.get("pgd")(
        model, x, y, eps=radius, norm=norm, seed=0, steps=20, step_size=radius / 4
    ).x_adv  # fmt: skip


def cure_cka(e: Evidence) -> Picture:
    """A map for each network: its layers on natural images against its layers on its own adversarial ones."""
    runs = e.variants(*MAPPED)
    x, y = e.images(IMAGES)
    figure = Figure(figsize=(2.3 * len(runs) + 0.7, 2.9), layout="constrained")
    cells = figure.subplots(1, len(runs), squeeze=False)[0]
    diagonal = {}
    for axes, run in zip(cells, runs, strict=True):
        defense, model = e.network(run)
        deployed = defense.deployed(model)
        names, found = natural_against_adversarial(deployed, x, adversarial(deployed, x, y, e))
        image = axes.imshow(found, vmin=0, vmax=1, cmap=SEQUENTIAL, origin="lower")
        diagonal[label(run)] = found.diagonal()
        axes.set_title(label(run))
        axes.set_xlabel("layer, adversarial")
        axes.set_xticks(range(0, len(names), max(1, len(names) // 5)))
        axes.set_yticks(range(0, len(names), max(1, len(names) // 5)))
        axes.grid(visible=False)
    cells[0].set_ylabel("layer, natural")
    figure.colorbar(image, ax=list(cells), label="CKA", shrink=0.8)
    caption = (
        "CKA of each layer's output on natural images with each layer's output on the network's own PGD-20 images: "
        f"linear kernel, unbiased HSIC averaged over minibatches; study {e.study}, n = {len(x)} test images, 1 "
        f"training seed. Layers of {label(runs[0])} from 0: {', '.join(names)}."
    )
    said = ", ".join(f"{name} {np.nanmin(d):.2f} and {d[-1]:.2f}" for name, d in diagonal.items())
    return Picture(
        figure, caption, f"lowest value on the diagonal, and the value at the logits: {said} (one seed)."
    )


def cure_gradients_at_the_end(e: Evidence) -> Picture:
    """Mean gradient magnitude by block on adversarial images, of trained networks."""
    runs = e.variants("pgd_at/main", "trades/main", "cure/main")
    x, y = e.images(IMAGES)
    rows = []
    for run in runs:
        defense, model = e.network(run)
        deployed = defense.deployed(model)
        found = magnitudes(deployed, adversarial(deployed, x, y, e), y)
        rows += [{"called": label(run), "block": block, "magnitude": value} for block, value in found.items()]
    frame = pd.DataFrame(rows)
    figure = bars(frame, "block", "magnitude", "called", ("", "mean |gradient| of CE"), width=5)
    caption = (
        "Mean magnitude of the gradient of the cross-entropy on each network's own PGD-20 images, by block, of the "
        f"selected weights; study {e.study}, n = {len(x)} test images, 1 training seed."
    )
    wide = frame.pivot_table(index="block", columns="called", values="magnitude", sort=False)
    lower = int((wide["CURE"] < wide["PGD-AT"]).sum())
    return Picture(figure, caption, f"CURE's is below PGD-AT's in {lower} of {len(wide)} blocks (one seed).")


def cure_smallest(e: Evidence) -> Picture:
    """The smallest fooling perturbation of the first images that every network gets right."""
    runs = e.variants("standard/main", "pgd_at/main", "trades/main", "cure/main")
    models = {run: (lambda d, m: d.deployed(m))(*e.network(run)) for run in runs}
    x, y = e.images(60)
    with torch.no_grad():
        right = torch.stack([m(x).argmax(1) == y for m in models.values()]).all(0)
    chosen = right.nonzero().flatten()[:6] if right.any() else torch.arange(6)
    x, y = x[chosen], y[chosen]
    rows, radii = [("natural", [pixels(v) for v in x])], {}
    norm, eps = e.threat
    for run, model in models.items():
        radius, images = smallest(model, x, y, norm=norm, largest=4 * eps)
        radii[label(run)] = radius
        rows.append((label(run), [pixels(v) for v in images]))
    figure = strip(rows, [f"class {int(v)}" for v in y])
    for line, radius in zip(np.array(figure.axes).reshape(len(rows), -1)[1:], radii.values(), strict=True):
        for axes, r in zip(line, radius, strict=True):
            axes.set_xlabel(f"{r:.3f}", fontsize="x-small", labelpad=1)
    figure.set_size_inches(0.9 * len(y) + 0.8, 1.15 * len(rows))
    caption = (
        f"The smallest {norm} perturbation by which PGD-20 fools each network (radius below each image), on the first "
        f"{len(y)} test images that all of them get right (0: wrong as it is); study {e.study}, 1 training seed."
    )
    said = ", ".join(f"{name} {float(r.clamp_max(4 * eps).median()):.3f}" for name, r in radii.items())
    return Picture(figure, caption, f"median radius: {said}; an illustration, too few images for a claim.")
