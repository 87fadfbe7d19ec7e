"""Figures of notebooks/overview.py: every defense under one protocol."""

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from redoubt.reports.figures.evidence import Evidence
from redoubt.reports.figures.panels import small_multiples
from redoubt.reports.figures.shapes import draw_cross, draw_line, draw_rows
from redoubt.reports.figures.style import Look, Picture
from redoubt.reports.names import attack, label
from redoubt.statistics.intervals import Interval

# From weak to strong, those of them that a study has.
PROTOCOL = ("clean", "fgsm", "pgd50", "pgd20_eot10", "screen", "autoattack", "worst")
INK = Look("#0b5c8a", "o", "-")


def mains(e: Evidence) -> list[str]:
    """The main variant of each defense."""
    return e.variants("*/main")


def adaptive_protocol(e: Evidence) -> Picture:
    """A drawing an attack of the protocol, a row a defense that faces it, sorted by the worst case."""
    runs = sorted(mains(e), key=lambda r: -e.value(r, "worst"))
    faced = set(e.rows(runs)["name"])
    attacks = [a for a in PROTOCOL if a in faced]
    figure = Figure(figsize=(1.6 + 1.35 * len(attacks), 0.8 + 0.21 * len(runs)), layout="constrained")
    for axes, name in zip(
        figure.subplots(1, len(attacks), squeeze=False, sharey=True)[0], attacks, strict=True
    ):
        draw_rows(axes, [label(r) for r in runs], [("", INK, [e.accuracy(r, name) for r in runs])])
        axes.set_title(attack(name), pad=4)
        axes.set_xticks([0, 50, 100])
        axes.set_xlabel("")
        axes.tick_params(axis="y", length=0)
    figure.supxlabel("accuracy (%)", fontsize="medium")
    sns.despine(figure, left=True)
    norm, eps = e.threat
    caption = (
        f"Accuracy of every defense under the protocol's attacks that apply to it ({norm}, radius "
        f"{eps:.3g} of the pixel "
        "range), each through its adaptive view, sorted by the worst case, which is taken image by image. Bars are "
        f"95 % bootstrap intervals over images and seeds; {e.behind(runs)}."
    )
    best, second = runs[0], runs[1] if len(runs) > 1 else runs[0]
    return Picture(figure, caption, f"{e.compare(best, second, 'worst')}, the two that stand highest.")


def clean_against_robust(e: Evidence) -> Picture:
    """Natural accuracy against the worst case, a panel a paper."""
    runs = mains(e)

    def draw(axes: Axes, _: str, run: str, name: str, look: Look) -> None:
        draw_cross(axes, name, look, here(e, run, "clean"), here(e, run, "worst"))

    figure, _ = small_multiples(runs, draw)
    figure.supxlabel("natural accuracy (%)", fontsize="medium")
    figure.supylabel("accuracy in the worst case (%)", fontsize="medium")
    caption = (
        "Natural accuracy against accuracy in the worst case, image by image, over the attacks that every seed of a "
        f"defense faced: a panel a paper, its baselines in gray. Bars are 95 % intervals; {e.behind(runs)}."
    )
    rows = e.rows(runs, ["clean", "worst"])
    means = rows.groupby(["run", "name"], sort=False)["accuracy"].mean().unstack()
    beaten = lambda m: ((means["clean"] > m["clean"]) & (means["worst"] > m["worst"])).any()
    front = [label(str(run)) for run, m in means.iterrows() if not beaten(m)]
    return Picture(
        figure, caption, f"none is better on both axes than {', '.join(front)} (means over seeds)."
    )


def here(e: Evidence, run: str, name: str) -> Interval:
    """The accuracy under an attack that every variant faces."""
    found = e.accuracy(run, name)
    assert found is not None
    return found


def training_curves(e: Evidence) -> Picture:
    """Validation accuracy by epoch, natural and under PGD, a panel a paper."""
    runs = mains(e)
    history = e.history(runs)
    columns = {"natural": "clean", "under PGD": "robust"}

    def draw(axes: Axes, kind: str, run: str, name: str, look: Look) -> None:
        own: pd.DataFrame = history[history["run"] == run].assign(share=lambda f: 100 * f[columns[kind]])
        draw_line(axes, own, "epoch", "share", name, look)

    figure, rows = small_multiples(runs, draw, list(columns), (2.1, 2.1))
    for kind, cells in zip(columns, rows, strict=True):
        cells[0].set_ylabel(f"{kind} (%)")
        cells[0].xaxis.set_major_locator(MaxNLocator(4, integer=True))
    figure.supxlabel("epoch", fontsize="medium")
    caption = (
        "Validation accuracy by epoch, natural and under the PGD that selects the weights: a panel a paper, its "
        "baselines in gray; mean over seeds, band from "
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
