"""Cells that compare: defenses on the same images, ablations with their main variant, best with last weights."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from redoubt.records.packed_booleans import unpack
from redoubt.records.results import common
from redoubt.statistics.intervals import Interval, mcnemar, paired_difference

JUDGING = ("clean", "screen", "autoattack")


def points(d: Interval) -> str:
    """A difference in points of accuracy, with its interval."""
    return d.text("{:+.1f}")


def difference(a: pd.DataFrame, b: pd.DataFrame) -> dict | None:
    """Accuracy of rows a minus that of rows b on the images and seeds that both have, or None without any.

    Args:
        a, b: rows of one attack each, one a seed, with the bits in `correct`.
    """
    both = common(a, b)
    if both is None:
        return None
    x, y = both
    (seeds, n), d = x.shape, paired_difference(x, y)
    holds = "higher" if d.low > 0 else "lower" if d.high < 0 else "not told apart"
    p = f"{mcnemar(x[0], y[0]):.2g}" if seeds == 1 else ""
    return {"seeds": seeds, "n": n, "difference": points(d), "direction": holds, "McNemar p": p}


def _compare(rows: pd.DataFrame, base: pd.DataFrame, names: tuple[str, ...], about: dict) -> list[dict]:
    found = []
    for name in names:
        d = difference(rows[rows["name"] == name], base[base["name"] == name])
        if d:
            found.append({**about, "attack": name, **d})
    return found


def pairs(tidy: pd.DataFrame) -> pd.DataFrame:
    """Each main variant against PGD-AT and TRADES of the same study."""
    rows = []
    for study, group in tidy[tidy["variant"] == "main"].groupby("study", sort=False):
        for against in ("pgd_at", "trades"):
            base = group[group["defense"] == against]
            for defense, other in group.groupby("defense", sort=False):
                if defense != against and not (defense == "pgd_at" and against == "trades"):
                    about = {"study": study, "defense": defense, "against": against}
                    rows += _compare(other, base, JUDGING, about)
    return pd.DataFrame(rows)


def ablations(tidy: pd.DataFrame) -> pd.DataFrame:
    """Each variant of a defense against its main variant."""
    rows = []
    for (study, defense), group in tidy.groupby(["study", "defense"], sort=False):
        base = group[group["variant"] == "main"]
        for variant, other in group.groupby("variant", sort=False):
            if variant != "main":
                about = {"study": study, "defense": defense, "variant": variant}
                rows += _compare(other, base, JUDGING[:2], about)
    return pd.DataFrame(rows)


def best_against_last(tidy: pd.DataFrame) -> pd.DataFrame:
    """Robust overfitting (Rice et al. 2020): the selected weights minus the last ones, under the same attack."""
    rows = []
    for keys, group in tidy.groupby(["study", "defense", "variant"], sort=False):
        last = group[(group["checkpoint"] == "last") & (group["attack"] != "none")]
        for name, rows_last in last.groupby("name", sort=False):
            best = group[group["name"] == name.removesuffix("_last")]
            d = difference(best, rows_last)
            if d:
                about = dict(zip(("study", "defense", "variant"), keys, strict=True))
                rows.append({**about, "attack": name.removesuffix("_last"), **d})
    return pd.DataFrame(rows)


def halves(
    clean: pd.Series, swept: list[tuple[float, np.ndarray]]
) -> Iterator[tuple[float, list[np.ndarray]]]:
    """By signed radius, 0 among them: the bits of the half with the lower natural loss, and of the other half.

    Every radius is of the same images, the first ones that all of them attacked.

    Args:
        clean: the row of the natural images.
        swept: signed radius and bits (n,) of each attack.
    """
    cells = [(0.0, clean["correct"]), *swept]
    n = min(len(bits) for _, bits in cells)
    easier = unpack(clean["info"]["easier_half"], clean["n"])[:n]
    for eps, bits in sorted(cells, key=lambda cell: cell[0]):
        yield eps, [bits[:n][easier], bits[:n][~easier]]


def confidence_halves(tidy: pd.DataFrame) -> pd.DataFrame:
    """Accuracy of the half of the test images with the lower natural loss and of the other half, by radius.

    A negative radius is an inverse adversary: the attack then lowers the loss (UIAT's confidence analysis).
    """
    rows = []
    swept = tidy[tidy["name"].str.contains("@")]
    for (study, defense, variant, seed), group in swept.groupby(
        ["study", "defense", "variant", "seed"], sort=False
    ):
        same = (tidy["study"] == study) & (tidy["defense"] == defense) & (tidy["variant"] == variant)
        clean = tidy[same & (tidy["seed"] == seed) & (tidy["name"] == "clean")].iloc[0]
        signed = [(-1 if r["attack"] == "inverse" else 1) * r["eps"] for _, r in group.iterrows()]
        for eps, both in halves(clean, list(zip(signed, group["correct"], strict=True))):
            high, low = (side.mean() for side in both)
            rows.append(
                {
                    "study": study,
                    "defense": defense,
                    "variant": variant,
                    "seed": seed,
                    "eps": f"{eps:.4g}",
                    "all": f"{100 * np.concatenate(both).mean():.1f}",
                    "high confidence": f"{100 * high:.1f}",
                    "low confidence": f"{100 * low:.1f}",
                    "gap": f"{100 * (high - low):.1f}",
                }
            )
    return pd.DataFrame(rows)
