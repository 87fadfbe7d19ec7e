"""Figures of notebooks/uiat.py."""

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from redoubt.reports import comparisons, names
from redoubt.reports.figures.claims import of_paper
from redoubt.reports.figures.cost import epochs
from redoubt.reports.figures.evidence import Evidence
from redoubt.reports.figures.overview import overfitted
from redoubt.reports.figures.shapes import curves, dots, lines
from redoubt.reports.figures.style import Picture
from redoubt.reports.figures.validity import by_radius, swept
from redoubt.reports.names import label

RIVALS = ("pgd_at/main", "trades/main", "uiat/main")


def uiat_strength(e: Evidence) -> Picture:
    """Accuracy under PGD by radius, UIAT beside its rivals."""
    _, rows = swept(e)
    runs = [r for r in e.variants(*RIVALS) if r in set(rows["run"])]
    rows = rows[rows["run"].isin(runs)]
    figure = curves(by_radius(e, rows), ("radius of the attack (pixel range is 0 to 1)", "accuracy (%)"))
    figure.axes[0].axvline(e.threat[1], color="0.4", lw=1, ls=":")
    radii = [n for n in rows.drop_duplicates("name").sort_values("eps")["name"] if "@" in n]
    weak, strong = radii[0], radii[-1]
    caption = (
        f"Accuracy under PGD by radius, with 95 % intervals; the dotted line is the radius of training; "
        f"{e.behind(runs)}, the sweep takes the first seed."
    )
    found = f"{e.compare('uiat/main', 'pgd_at/main', weak)}; {e.compare('uiat/main', 'pgd_at/main', strong)}."
    return Picture(figure, caption, found)


def halves(e: Evidence, runs: list[str]) -> pd.DataFrame:
    """Accuracy in percent by signed radius of the half of the images with the lower natural loss and of the other."""
    found = []
    for (run, seed), group in e.rows(runs).groupby(["run", "seed"], sort=False):
        clean = group[group["name"] == "clean"].iloc[0]
        cells = [
            (-row.eps if row.attack == "inverse" else row.eps, row.correct)
            for row in group[group["name"].str.startswith(("strength@", "inverse@"))].itertuples()
        ]
        for eps, both in comparisons.halves(clean, cells) if cells else ():
            for half, bits in zip(("surer half", "less sure half"), both, strict=True):
                about = {"run": run, "called": label(run), "seed": seed, "radius": eps, "half": half}
                found.append({**about, "correct": bits, "accuracy": 100 * bits.mean()})
    return pd.DataFrame(found)


def uiat_confidence(e: Evidence) -> Picture:
    """The two halves by signed radius, UIAT beside its rivals."""
    runs = e.variants(*RIVALS)
    rows = halves(e, runs)
    points = e.points(rows, "called", "half", "radius").rename(columns={"radius": "x"})
    figure = curves(points, ("signed radius (below 0: inverse adversary)", "accuracy (%)"), col="half")
    caption = (
        "Accuracy by radius of the half of the test images with the lower natural loss and of the other half; a "
        "negative radius lowers the loss. Bars are 95 % intervals; "
        f"{e.behind(runs)}, of which the sweep takes the first."
    )
    at = min(rows["radius"].unique(), key=lambda r: abs(r - e.threat[1]))
    wide = rows[rows["radius"] == at].pivot_table(
        index="called", columns="half", values="accuracy", sort=False
    )
    gap = wide["surer half"] - wide["less sure half"]
    said = ", ".join(f"{name} {value:.1f}" for name, value in gap.items())
    return Picture(
        figure, caption, f"gap between the halves at radius {at:.3g}, in points: {said} (one seed)."
    )


def uiat_overfitting(e: Evidence) -> Picture:
    """Robust validation accuracy by epoch of UIAT, its rivals and its control without alignment."""
    runs = e.variants(*RIVALS, "uiat/no_alignment", "uiat/natural_kl")
    return robust_curves(e, runs)


def robust_curves(e: Evidence, runs: list[str]) -> Picture:
    """Robust validation accuracy by epoch, and how much of the best epoch's is lost at the last."""
    history = e.history(runs)
    history["robust"] *= 100
    figure = lines(history, "epoch", "robust", ("epoch", "accuracy under PGD (%)"))
    caption = (
        "Validation accuracy under PGD by epoch: mean over seeds, band from the lowest to the highest; study "
        f"{e.study}, {e.seeds(runs)}."
    )
    said = ", ".join(f"{label(r)} {overfitted(e, r):.1f}" for r in runs)
    return Picture(figure, caption, f"points lost from the best epoch to the last, mean over seeds: {said}.")


def ablation(e: Evidence, runs: list[str], base: str, what: str) -> Picture:
    """Variants beside their base, natural and in the worst case, and the one that differs most from it."""
    picture = dots(e, runs, ["clean", "worst"])
    caption = f"{what}; bars are 95 % intervals over images and seeds; {e.behind(runs)}."
    others = [r for r in runs if r != base]
    gap = lambda r: abs(e.value(r, "worst") - e.value(base, "worst"))
    found = (
        f"furthest from {label(base)}: {e.compare(max(others, key=gap), base, 'worst')}." if others else ""
    )
    return Picture(picture, caption, found)


def uiat_components(e: Evidence) -> Picture:
    """Each component of UIAT left out or replaced."""
    runs = e.variants(
        "uiat/main",
        "uiat/iat",
        "uiat/natural_kl*",
        "uiat/no_*",
        "uiat/feature_regularizer",
        "uiat/one_universal",
    )
    return ablation(e, runs, "uiat/main", "UIAT with one component left out or replaced")


def uiat_one_off(e: Evidence) -> Picture:
    """Accuracy by the epoch in which the frozen perturbations are computed."""
    timed = sorted(e.variants("uiat/one_off*"), key=lambda r: (e.param(r, "one_off"), e.param(r, "before")))
    runs = ["uiat/main", *timed]
    called = ["UIAT (every epoch)"]
    for r in timed:
        before = ", natural before" if e.param(r, "before") == "natural" else ""
        called.append(f"epoch at {100 * e.param(r, 'one_off'):.0f} %{before}")
    picture = ablation(
        e, runs, "uiat/main", "UIAT with perturbations computed in one epoch and frozen, by its place"
    )
    return Picture(dots(e, runs, ["clean", "worst"], called), picture.caption, picture.found)


def uiat_single_step(e: Evidence) -> Picture:
    """Single-step training with and without UIAT."""
    runs = e.variants("fgsm_rs/*", "n_fgsm/*")
    picture = ablation(e, runs, runs[0], "Single-step training alone, with UIAT and with one-off UIAT")
    both = [r for r in runs if r.endswith("/uiat") and r.replace("uiat", "main") in runs]
    found = "; ".join(e.compare(r, r.replace("uiat", "main"), "worst") for r in both)
    return Picture(picture.figure, picture.caption, f"{found or 'no variant without UIAT beside'}.")


def sweep_of(e: Evidence, base: str, params: dict[str, str], only: str) -> pd.DataFrame:
    """Variants that differ from the base in exactly one of these parameters, with the parameter's value as `x`.

    Args:
        params: parameter -> how it is called on an axis.
        only: pattern of the variants looked at.
    """
    reference = e.runs[base]["params"]
    found = []
    for run in e.variants(only):
        changed = [k for k, v in e.runs[run]["params"].items() if v != reference.get(k)]
        same_start = e.runs[run]["starts_from"] == e.runs[base]["starts_from"]
        if (run != base and changed not in [[k] for k in params]) or not same_start:
            continue
        for param in params if run == base else changed:
            value = e.param(run, param)
            if not isinstance(value, bool | str | None):
                for attack in ("clean", "worst"):
                    for row in e.rows([run], [attack]).itertuples():
                        at = {"param": params[param], "x": float(value), "seed": row.seed}
                        found.append({**at, "called": names.attack(attack), "correct": row.correct})
    frame = pd.DataFrame(found)
    several = frame.groupby("param")["x"].transform("nunique") > 1
    return e.points(
        frame[several].sort_values(["param", "called", "x"], kind="stable"), "param", "called", "x"
    )


def sensitivity(e: Evidence, base: str, params: dict[str, str]) -> Picture:
    """Accuracy by the value of each parameter, the others as in the base."""
    frame = sweep_of(e, base, params, f"{base.split('/')[0]}/*")
    figure = curves(frame, ("", "accuracy (%)"), col="param", share_x=False, joined=False)
    for axes in figure.axes:
        param = next(p for p, name in params.items() if name == axes.get_title())
        axes.axvline(e.param(base, param), color="0.4", lw=1, ls=":")
        values = frame.loc[frame["param"] == axes.get_title(), "x"]
        axes.set_xlim(values.min() - 0.08 * np.ptp(values), values.max() + 0.08 * np.ptp(values))
    for axes in figure.axes:
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.set_xlabel(axes.get_title())
        axes.set_title("")
    runs = e.variants(f"{base.split('/')[0]}/*")
    caption = (
        f"Accuracy of {label(base)} by one hyper-parameter at a time; the dotted line is the main variant's value; "
        f"bars are 95 % intervals over images and seeds; {e.behind(runs)}."
    )
    means = frame.set_index(["param", "called", "x"])["value"]
    spread = (means.groupby(["param", "called"]).max() - means.groupby(["param", "called"]).min()).unstack()
    said = "; ".join(
        f"{p}: {', '.join(f'{c} {v:.1f}' for c, v in row.items())}" for p, row in spread.iterrows()
    )
    return Picture(figure, caption, f"points between the lowest and the highest value of a sweep: {said}.")


def uiat_sensitivity(e: Evidence) -> Picture:
    """Weight of the alignment, inverse radius and momentum, one at a time."""
    params = {
        "lam": "weight of the alignment",
        "eps_inv": "inverse radius (share of the radius)",
        "momentum": "momentum over predictions",
    }
    return sensitivity(e, "uiat/main", params)


def uiat_cost(e: Evidence) -> Picture:
    """Seconds an epoch of UIAT, its forms and adversarial training."""
    return epochs(
        e, e.variants("pgd_at/main", "trades/main", "uiat/main", "uiat/iat", "uiat/one_off", "*/uiat")
    )


def uiat_claims(e: Evidence) -> Picture:
    """The comparisons behind its judged claims."""
    return of_paper(e, "UIAT")
