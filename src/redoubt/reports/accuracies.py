"""Cells of accuracies: the only place that formats one.

A cell is a percentage; its interval is Wilson's 95 % where one seed was run, and the spread (standard deviation) over
seeds stands beside the mean where there are several.
"""

import numpy as np
import pandas as pd

from redoubt.statistics.intervals import wilson

FIRST = ["clean", "fgsm", "pgd", "screen", "autoattack", "worst"]


def percent(rows: pd.DataFrame) -> str:
    """One cell: mean over seeds of the accuracy, with its spread or its interval."""
    shares = np.array([c.mean() for c in rows["correct"]])
    if len(shares) > 1:
        return f"{100 * shares.mean():.1f} ± {100 * shares.std(ddof=1):.1f}"
    ci = wilson(int(rows["correct"].iloc[0].sum()), int(rows["n"].iloc[0]))
    return f"{100 * ci.value:.1f} [{100 * ci.low:.1f}, {100 * ci.high:.1f}]"


def fewer(rows: pd.DataFrame, n: int) -> str:
    """Stands behind a cell of fewer than n images."""
    return f" (n {found})" if (found := int(rows["n"].max())) < n else ""


def _order(names: pd.Series) -> list[str]:
    """Attack names from weak to strong, as far as their names say."""
    rank = lambda n: (next((i for i, f in enumerate(FIRST) if n.startswith(f)), 3), n)
    return sorted(names.unique(), key=rank)


def accuracy_table(tidy: pd.DataFrame, by: list[str], attacks: list[str] | None = None) -> pd.DataFrame:
    """One row a variant, one column an attack; an empty cell where a variant did not face it.

    `n` counts the test images; a cell of fewer says so.
    """
    attacks = attacks or _order(tidy["name"])
    rows = []
    for keys, group in tidy.groupby(by, sort=False):
        row = dict(zip(by, keys, strict=True))
        row["seeds"] = group["seed"].nunique()
        row["n"] = int(group["n"].max())
        for attack in attacks:
            cell = group[group["name"] == attack]
            row[attack] = percent(cell) + fewer(cell, row["n"]) if len(cell) else ""
        rows.append(row)
    return pd.DataFrame(rows)
