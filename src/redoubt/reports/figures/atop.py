"""Figures of notebooks/atop.py."""

from redoubt.reports.figures.atop_pixels import atop_pixels
from redoubt.reports.figures.claims import of_paper
from redoubt.reports.figures.evidence import Evidence
from redoubt.reports.figures.protocols import by_knowledge, faced
from redoubt.reports.figures.shapes import curves, dots
from redoubt.reports.figures.style import Picture
from redoubt.reports.figures.uiat import sensitivity
from redoubt.reports.names import label

__all__ = ["atop_pixels"]
PAIR = ("purifier/main", "atop/main")
STRONG = ("pgd20_eot10", "pgd50", "worst")  # the first that a variant has
# From the least that an attacker knows to the most.
PROTOCOLS = (
    "clean", "oblivious_fgsm", "oblivious", "transfer", "square", "bpda_identity", "bpda_untransformed", "fixed_draw",
    "pgd20_eot10", "pgd200_eot20", "autoattack_rand",
)  # fmt: skip


def strongest(e: Evidence, runs: list[str]) -> str:
    """The attack by which random pipelines are compared: full gradient, averaged over draws."""
    return next(iter(faced(e, runs, STRONG)))


def compared(e: Evidence, runs: list[str], attacks: list[str], what: str, names=None) -> tuple:
    """The figure and its caption."""
    caption = f"{what}; bars are 95 % intervals over images and seeds; {e.behind(runs)}, fewer where an attack is slow."
    return dots(e, runs, attacks, names), caption


def atop_unseen(e: Evidence) -> Picture:
    """The purifier before and after AToP, with and without a transform, under attacks that no training saw."""
    runs = e.variants("pgd_at/main", *PAIR, "purifier/no_transform", "atop/no_transform")
    attacks = faced(e, runs, ("clean", "pgd20_eot10", "l2", "stadv"))
    figure, caption = compared(e, runs, attacks, "Accuracy under the trained radius and under unseen attacks")
    found = "; ".join(e.compare("atop/main", "purifier/main", a) for a in ("l2", "stadv"))
    return Picture(figure, caption, f"{found}.")


def atop_purifiers(e: Evidence) -> Picture:
    """Both kinds of purifier before and after AToP."""
    runs = ["purifier/main", "atop/main", "purifier/mae", "atop/mae"]
    names = ["inpainter", "inpainter + AToP", "autoencoder", "autoencoder + AToP"]
    strong = strongest(e, runs)
    figure, caption = compared(e, runs, ["clean", strong], "Two purifiers before and after AToP", names)
    return Picture(figure, caption, f"{e.compare('atop/mae', 'purifier/mae', strong)}.")


def atop_transforms(e: Evidence) -> Picture:
    """Each random transform before and after AToP, and none."""
    called = {"rt1": "RT1", "main": "RT2", "rt3": "RT3", "no_transform": "no transform"}
    pairs = [
        (f"{defense}/{v}", f"{name}{' + AToP' if defense == 'atop' else ''}")
        for v, name in called.items()
        for defense in ("purifier", "atop")
        if f"{defense}/{v}" in e.runs
    ]
    runs, names = [r for r, _ in pairs], [n for _, n in pairs]
    attacks = faced(e, runs, ("clean", "oblivious", strongest(e, runs)))
    what = "Random transforms, the purifier alone and tuned by AToP; oblivious: PGD on the classifier alone"
    figure, caption = compared(e, runs, attacks, what, names)
    strong = attacks[-1]
    gains = "; ".join(
        e.compare(f"atop/{v}", f"purifier/{v}", strong)
        for v in called
        if {f"atop/{v}", f"purifier/{v}"} <= set(runs)
    )
    return Picture(figure, caption, f"{gains}.")


def atop_protocols(e: Evidence) -> Picture:
    """Accuracy by what the attacker knows, the purifier alone and tuned by AToP."""
    what = (
        "Accuracy from the attacker who knows least to the one who knows most: the classifier alone (oblivious, as in "
        "the paper's tables 7 and 8), borrowed gradients (bpda), one draw, the full gradient averaged over draws. A "
        "random system is judged by one fresh draw an image"
    )
    words = {"purifier/main": "purifier alone", "atop/main": "AToP"}
    return by_knowledge(e, words, PROTOCOLS, "atop/main", what)


def atop_draws(e: Evidence) -> Picture:
    """Accuracy by how many draws each gradient averages."""
    runs = e.variants(*PAIR)
    rows = e.tidy[e.tidy["run"].isin(runs) & e.tidy["name"].str.fullmatch(r"eot_\d+")].copy()
    rows["draws"] = rows["name"].str.removeprefix("eot_").astype(int)
    rows["called"] = rows["run"].map(label)
    points = e.points(rows.sort_values("draws", kind="stable"), "called", "draws").rename(
        columns={"draws": "x"}
    )
    figure = curves(points, ("draws a gradient (log scale)", "accuracy (%)"))
    draws = sorted(rows["draws"].unique())
    figure.axes[0].set_xscale("log", base=2)
    figure.axes[0].set_xticks(draws, draws)
    caption = (
        "Accuracy under PGD whose gradient averages more and more draws; one fresh draw judges. "
        "Bars are 95 % intervals; "
        f"study {e.study}, n = {int(rows['n'].max())} test images, {e.seeds(runs)} of which the first is attacked."
    )
    wide = rows[rows["run"] == "atop/main"].groupby("draws")["accuracy"].mean()
    found = f"AToP keeps {wide[draws[0]]:.1f} % at {draws[0]} draw and {wide[draws[-1]]:.1f} % at {draws[-1]}"
    return Picture(figure, caption, f"{found}.")


def atop_masks(e: Evidence) -> Picture:
    """What is random at test time, under the oblivious attack and the full gradient."""
    runs = e.variants(
        "atop/main", "atop/mask_per_batch", "atop/fixed_mask", "atop/deployed_*", "atop/rt2_deployed_rt3"
    )
    strong = strongest(e, runs)
    attacks = faced(e, runs, ("clean", "oblivious", strong))
    figure, caption = compared(e, runs, attacks, "AToP with what is random at test time changed")
    found = "; ".join(e.compare("atop/main", "atop/fixed_mask", a) for a in attacks[1:])
    return Picture(figure, caption, f"{found}.")


def atop_transfer_figure(e: Evidence) -> Picture:
    """AToP's purifier and the one before it, before classifiers that neither has seen."""
    runs = e.variants("atop_transfer/*")
    strong = strongest(e, runs)
    figure, caption = compared(e, runs, ["clean", strong], "The purifier before another classifier")
    return Picture(figure, caption, f"{e.compare('atop_transfer/main', 'atop_transfer/no_atop', strong)}.")


def atop_sensitivity(e: Evidence) -> Picture:
    """Weight of the classification term."""
    return sensitivity(e, "atop/main", {"lam": "weight of the classification"})


def atop_claims(e: Evidence) -> Picture:
    """The comparisons behind its judged claims."""
    return of_paper(e, "AToP")
