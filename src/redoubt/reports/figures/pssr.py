"""Figures of notebooks/pssr.py."""

import numpy as np
import pandas as pd
import torch

from redoubt import attacks
from redoubt.defenses.pixel_surgery import rule_of
from redoubt.reports.analysis.decomposition import decompose
from redoubt.reports.figures.claims import of_paper
from redoubt.reports.figures.evidence import Evidence
from redoubt.reports.figures.protocols import by_knowledge
from redoubt.reports.figures.shapes import dots_by_attack, intervals, pixels, strip
from redoubt.reports.figures.style import Picture
from redoubt.reports.figures.uiat import ablation
from redoubt.statistics.intervals import Interval, accuracy

PROTOCOLS = (
    "clean", "oblivious_fgsm", "oblivious", "transfer", "transfer_standard", "transfer_twin", "square",
    "pssr_bpda_identity", "bpda_identity", "pssr_bpda_mask", "bpda_mask", "fgsm", "pgd50", "pgd200", "screen",
    "autoattack", "relaxed", "mask_steering",
)  # fmt: skip
SHOWN = 4
IMAGES = 200
CALLED = {"natural": "natural", "pgd": "PGD", "cw_pgd": "C&W", "stadv": "StAdv"}
SPATIAL = 0.05  # bound of stAdv's flow, that of AToP's protocol


def plain(e: Evidence, run: str) -> list[str]:
    """The attacks that a variant faces with its selected weights, without sweeps, in the study's order."""
    rows = e.rows([run])
    kept = rows[(rows["checkpoint"] == "best") & ~rows["name"].str.contains("@|_every|corruption")]
    return list(dict.fromkeys(kept["name"]))


def pssr_attacks(e: Evidence) -> Picture:
    """PSSR, the network that it stands before, and adversarial training, under every attack that PSSR faces."""
    runs = e.variants("standard/main", "pgd_at/main", "pssr/main")
    attacks_faced = plain(e, "pssr/main")
    figure = dots_by_attack(e, runs, attacks_faced)
    caption = (
        "Accuracy under every attack that PSSR faces; PGD on the classifier alone is the one that it "
        "was trained on. Bars "
        f"are 95 % intervals over images and seeds; {e.behind(runs)}, fewer where an attack is slow."
    )
    found = (
        e.compare("pssr/main", "pgd_at/main", "worst")
        if "pgd_at/main" in e.runs
        else "no PGD-AT to compare with"
    )
    return Picture(figure, caption, f"{found}.")


def pssr_protocols(e: Evidence) -> Picture:
    """Accuracy by what the attacker knows."""
    what = (
        "Accuracy from the attacker who knows least to the one who knows most: the classifier alone "
        "(oblivious), surgery "
        "differentiated as the identity or as its mask (bpda), the full gradient, a softened mask"
    )
    words = {"pssr/main": "PSSR", "pssr/no_surgery": "without surgery", "pssr/random_mask": "random mask"}
    return by_knowledge(e, words, PROTOCOLS, "pssr/main", what)


def pssr_pixels(e: Evidence) -> Picture:
    """Natural and adversarial rows: input, saliency, salient part, trivial part, regenerated image."""
    x, y = e.images(SHOWN)
    defense, model = e.network("pssr/main")
    system, f = defense.deployed(model), model.classifier
    norm, eps = e.threat
    x_adv = attacks.get("pgd")(f, x, y, eps=eps, norm=norm, seed=0, steps=20, step_size=eps / 4).x_adv
    rows, right, removed = [], {}, {}
    for name, images in (("natural", x), ("adversarial", x_adv)):
        saliency = system.surgery.saliency(images).detach()
        top = saliency.flatten(1).amax(1).clamp_min(1e-12).view(-1, 1, 1, 1)
        parts = system.surgery.parts(images)
        with torch.no_grad():
            restored, kept = system.restore(images)
            right[name] = int((f(restored).argmax(1) == y).sum())
        removed[name] = 100 * (1 - kept.mean().item())
        for i in range(SHOWN):
            shown = (images, saliency / top, parts.salient, parts.trivial, restored)
            rows.append((f"{name} {int(y[i])}", [pixels(v[i]) for v in shown]))
    rows = [row for pair in zip(rows[:SHOWN], rows[SHOWN:], strict=True) for row in pair]
    caption = (
        f"The first {SHOWN} test images, as they are and under PGD-20 on the classifier alone "
        f"({norm}, radius {eps:.3g}): input, "
        "saliency (scaled to its largest value), what surgery removes, what it keeps, and what is regenerated; study "
        f"{e.study}, 1 training seed."
    )
    found = (
        f"surgery removes {removed['natural']:.0f} % of natural and {removed['adversarial']:.0f} % of "
        "adversarial pixels; of "
        f"{SHOWN} regenerated images {right['natural']} natural and {right['adversarial']} "
        "adversarial ones are recognized; "
        "an illustration."
    )
    figure = strip(rows, ["input", "saliency", "salient", "trivial", "regenerated"])
    return Picture(figure, caption, found)


def pssr_decomposition(e: Evidence) -> Picture:
    """Accuracy of the frozen classifier on each part alone of images that several attacks made."""
    x, y = e.images(IMAGES)
    defense, model = e.network("pssr/main")
    f = model.classifier.eval()
    norm, eps = e.threat
    images = {"natural": x}
    for name in ("pgd", "cw_pgd"):
        images[name] = attacks.get(name)(
            f, x, y, eps=eps, norm=norm, seed=0, steps=20, step_size=eps / 4
        ).x_adv  # fmt: skip
    images["stadv"] = attacks.get("stadv")(f, x, y, eps=SPATIAL, seed=0, steps=20).x_adv
    found = decompose(f, images, y, rule=rule_of(defense.params))
    frame = pd.DataFrame(found["accuracy"]).set_index(["part", "attack"])["accuracy"]
    parts, on = list(frame.index.unique("part")), list(images)
    cells = [[share_of(frame[part, name], len(y)) for name in on] for part in parts]
    figure = intervals([CALLED[a] for a in on], [p.replace("_", " ") for p in parts], cells)
    caption = (
        "Accuracy of the classifier alone on the whole image, its salient part, its trivial part, "
        "and as many random pixels "
        f"as each of them has; attacks on the classifier alone ({norm}, radius {eps:.3g}; stadv "
        f"{SPATIAL}); study {e.study}, "
        f"n = {len(y)} test images, 1 training seed. Bars are 95 % intervals."
    )
    under = 100 * frame.xs("pgd", level="attack")
    apart = pd.DataFrame(found["distance"])[["salient", "trivial"]].mean()
    said = (
        f"under PGD the salient part alone keeps {under['salient']:.1f} %, the trivial one "
        f"{under['trivial']:.1f} %, as many random "
        f"pixels {under['random_as_trivial']:.1f} %; between attacks salient parts differ by "
        f"{apart['salient']:.3f} and trivial "
        f"ones by {apart['trivial']:.3f} a pixel (one seed)."
    )
    return Picture(figure, caption, said)


def share_of(share: float, n: int) -> Interval:
    """A share of n images in percent with its 95 % bootstrap interval."""
    return accuracy(np.arange(n) < round(share * n)).percent()


def pssr_components(e: Evidence) -> Picture:
    """Every variant of PSSR."""
    return ablation(e, e.variants("pssr/*"), "pssr/main", "PSSR with one module or choice changed")


def pssr_claims(e: Evidence) -> Picture:
    """The comparisons behind its judged claims."""
    return of_paper(e, "PSSR")
