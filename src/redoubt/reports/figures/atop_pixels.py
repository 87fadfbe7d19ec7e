"""AToP's strip: an image, noised, masked and purified, as it is and under attack."""

import torch

from redoubt import attacks
from redoubt.reports.figures.evidence import Evidence
from redoubt.reports.figures.shapes import pixels, strip
from redoubt.reports.figures.style import Picture

DRAWS = 5  # of the gradient of the attack that is shown


def atop_pixels(e: Evidence, shown: int = 4) -> Picture:
    """For the first images: natural and adversarial rows of input, noised, masked and purified."""
    x, y = e.images(shown)
    defense, model = e.network("atop/main")
    system = defense.deployed(model)
    norm, eps = e.threat
    torch.manual_seed(0)
    x_adv = attacks.get("pgd")(
        system, x, y, eps=eps, norm=norm, seed=0, steps=20, step_size=eps / 4, eot=DRAWS
    ).x_adv  # fmt: skip
    stage = system.purification
    rows, right = [], {}
    for name, images in (("natural", x), ("adversarial", x_adv)):
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            draw = stage.transform.draw(images, generator)
            noised = stage.transform.noisy(images, draw)
            restored, hole = stage.restore(images, draw)
            purified = (restored[-1] + 1) / 2
            right[name] = int((system.classifier(purified).argmax(1) == y).sum())
        masked = noised * (1 - hole) + 0.5 * hole
        for i in range(shown):
            rows.append((f"{name} {int(y[i])}", [pixels(v[i]) for v in (images, noised, masked, purified)]))
    rows = [row for pair in zip(rows[:shown], rows[shown:], strict=True) for row in pair]
    caption = (
        f"The first {shown} test images, as they are and under PGD-20 through the whole system "
        f"({norm}, radius {eps:.3g}, {DRAWS} "
        "draws a gradient): input, noised, masked (gray is missing) and purified by AToP; study "
        f"{e.study}, 1 training seed."
    )
    found = (
        f"of {shown} purified images {right['natural']} natural and {right['adversarial']} "
        "adversarial ones are recognized"
    )
    return Picture(
        strip(rows, ["input", "noised", "masked", "purified"]), caption, f"{found}; an illustration."
    )
