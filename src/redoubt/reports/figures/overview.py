"""Figures of notebooks/overview.py: every defense under one protocol."""

from redoubt.reports.figures.evidence import Evidence, label
from redoubt.reports.figures.shapes import dots, lines, scatter
from redoubt.reports.figures.style import Picture

# From weak to strong, those of them that a study has.
PROTOCOL = ("clean", "fgsm", "pgd50", "pgd20_eot10", "screen", "autoattack", "worst")


def mains(e: Evidence) -> list[str]:
    """The main variant of each defense."""
    return e.variants("*/main")


def adaptive_protocol(e: Evidence) -> Picture:
    """Accuracy and interval of each defense under each attack of the protocol that it faces."""
    runs = mains(e)
    faced = set(e.rows(runs)["name"])
    attacks = [a for a in PROTOCOL if a in faced]
    norm, eps = e.threat
    caption = (
        f"Accuracy of every defense under the protocol's attacks that apply to it ({norm}, radius "
        f"{eps:.3g} of the pixel "
        "range), each through its adaptive view; the worst case is taken image by image. Bars are 95 % intervals: "
        f"bootstrap over images and seeds, Wilson where there is one seed; {e.behind(runs)}."
    )
    ranked = sorted(runs, key=lambda r: -e.value(r, "worst"))
    best, second = ranked[0], ranked[1] if len(ranked) > 1 else ranked[0]
    return Picture(
        dots(e, runs, attacks), caption, f"{e.compare(best, second, 'worst')}, the two that stand highest."
    )


def clean_against_robust(e: Evidence) -> Picture:
    """Natural accuracy against the worst case, a point a seed."""
    runs = mains(e)
    rows = e.rows(runs, ["clean", "worst"])
    wide = rows.pivot_table(
        index=["run", "seed"], columns="name", values="accuracy", sort=False
    ).reset_index()
    wide["called"] = wide["run"].map(label)
    figure = scatter(wide, "clean", "worst", ("natural accuracy (%)", "accuracy in the worst case (%)"))
    caption = (
        "Natural accuracy against accuracy in the worst case, image by image, over the attacks that every seed of a "
        f"defense faced. A small marker is a seed, a large one their mean; {e.behind(runs)}."
    )
    means = wide.groupby("called", sort=False)[["clean", "worst"]].mean()
    beaten = lambda m: ((means["clean"] > m["clean"]) & (means["worst"] > m["worst"])).any()
    front = [name for name, m in means.iterrows() if not beaten(m)]
    return Picture(
        figure,
        caption,
        f"none is better on both axes than {', '.join(front)} (means over seeds).",
    )


def training_curves(e: Evidence) -> Picture:
    """Validation accuracy by epoch, natural and under PGD."""
    runs = mains(e)
    history = e.history(runs)
    long = history.melt(["called", "seed", "epoch"], ["clean", "robust"], "images", "accuracy")
    long["accuracy"] *= 100
    long["images"] = long["images"].map({"clean": "natural", "robust": "under PGD"})
    figure = lines(
        long, "epoch", "accuracy", ("epoch", "validation accuracy (%)"), col="images", markers=False
    )
    caption = (
        "Validation accuracy by epoch, natural and under the PGD that selects the weights: mean over seeds, band from "
        f"the lowest to the highest; study {e.study}, {e.seeds(runs)}. No test image is seen here."
    )
    fell = {r: overfitted(e, r) for r in runs}
    most = max(fell, key=lambda r: fell[r])
    return Picture(
        figure, caption,
        f"{label(most)} loses most from its best epoch to its last, {fell[most]:.1f} points under PGD (mean "
        "over seeds, validation).",
    )  # fmt: skip


def overfitted(e: Evidence, run: str) -> float:
    """Points of robust validation accuracy between a variant's best epoch and its last, mean over seeds."""
    history = e.history([run]).groupby("seed")["robust"]
    return float(100 * (history.max() - history.last()).mean())
