"""Verdicts as the table `claims`."""

from typing import Any

import pandas as pd

from redoubt.claims.report import interval, ours

CAPTION = (
    "Claims of the papers and controls of ours, worst verdict first. A direction is a difference in points of accuracy "
    "(or the unit given) with its 95 % bootstrap interval over images and seeds, of a quantity of the training with "
    "Student's interval over seeds; a number is in percent. Numbers are judged only where data set, architecture, "
    "threat and attack agree."
)


def table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """The rows as cells of text."""
    return pd.DataFrame(
        {
            "paper": row["paper"],
            "id": row["id"],
            "claim": row["claim"],
            "asked by": row["by"],
            "status": row["status"],
            "source": row["source"],
            "paper's value": (row["says"] or "") if row["paper_value"] is None else f"{row['paper_value']:g}",
            "paper's protocol": ", ".join(f"{k}: {v}" for k, v in row["protocol"].items()),
            "study": row["study"] or "",
            "ours": ours(row),
            "interval": interval(row["interval"]),
            "verdict": row["verdict"],
            "differences": "; ".join(row["differences"]),
            "why": row["why"],
            "cost": row["cost"] or "",
            "evidence": " ".join(row["evidence"]),
        }
        for row in rows
    )
