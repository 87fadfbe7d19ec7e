"""Cells of accuracies: the only place that formats one.

A cell is a percentage, the mean over seeds, with its 95 % bootstrap interval over images and seeds.
"""

import numpy as np
import pandas as pd

from redoubt.statistics.intervals import Interval, accuracy

FIRST = ["clean", "fgsm", "pgd", "screen", "autoattack", "worst"]


def share(rows: pd.DataFrame) -> Interval:
    """Accuracy over the seeds of one attack, on the images that all of them attacked."""
    n = int(rows["n"].min())
    return accuracy(np.stack([c[:n] for c in rows["correct"]]))


def percent(rows: pd.DataFrame) -> str:
    """One cell: the accuracy with its interval."""
    return share(rows).text()


def fewer(rows: pd.DataFrame, n: int, seeds: int) -> str:
    """Stands behind a cell of fewer than n images or fewer than these seeds."""
    found, of = int(rows["n"].min()), rows["seed"].nunique()
    told = [f"n {found}"] * (found < n) + [f"{of} seed{'s' * (of > 1)}"] * (of < seeds)
    return f" ({', '.join(told)})" if told else ""


def _order(names: pd.Series) -> list[str]:
    """Attack names from weak to strong, as far as their names say."""
    rank = lambda n: (next((i for i, f in enumerate(FIRST) if n.startswith(f)), 3), n)
    return sorted(names.unique(), key=rank)


def accuracy_table(tidy: pd.DataFrame, by: list[str], attacks: list[str] | None = None) -> pd.DataFrame:
    """One row a variant, one column an attack; an empty cell where a variant did not face it.

    `n` counts the test images and `seeds` the trainings; a cell of fewer says so.
    """
    attacks = attacks or _order(tidy["name"])
    rows = []
    for keys, group in tidy.groupby(by, sort=False):
        row = dict(zip(by, keys, strict=True))
        row["seeds"] = group["seed"].nunique()
        row["n"] = int(group["n"].max())
        for attack in attacks:
            cell = group[group["name"] == attack]
            row[attack] = percent(cell) + fewer(cell, row["n"], row["seeds"]) if len(cell) else ""
        rows.append(row)
    return pd.DataFrame(rows)
