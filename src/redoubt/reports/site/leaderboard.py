"""Main variants of a study, the one that keeps most in the worst case first, with what decides beside the name."""

from typing import Any

import pandas as pd

from redoubt.reports import names
from redoubt.reports.accuracies import accuracy_table
from redoubt.reports.check_states import STATES, states
from redoubt.reports.paper_tables import PROTOCOL, columns
from redoubt.reports.site.evidence import Evidence
from redoubt.reports.site.links import anchor, to

FIRST = ("worst", "autoattack", "clean")
FILLED = 0.5  # of the rows: what fewer defenses face is no column, and stands on their pages


def boards(evidence: Evidence) -> list[dict[str, Any]]:
    """One for each study: its `columns` (evaluation, name), its `rows`, and the most `seeds` of a row."""
    main = evidence.tidy[(evidence.tidy["variant"] == "main") & (evidence.tidy["role"] == "main")]
    return [_board(evidence, str(study), rows) for study, rows in main.groupby("study", sort=False)]


def _board(evidence: Evidence, study: str, rows: pd.DataFrame) -> dict[str, Any]:
    cells = accuracy_table(rows, ["defense"], columns(rows, PROTOCOL)).set_index("defense")
    faced = [c for c in cells.columns.drop(["seeds", "n"]) if c in FIRST or (cells[c] != "").mean() >= FILLED]
    shown = [c for c in FIRST if c in faced] + [c for c in reversed(faced) if c not in FIRST]
    shown = [c for c in shown if c != "worst_shared"]
    worst = rows[rows["name"] == "worst"]
    kept = {d: group["correct"].map(lambda c: c.mean()).mean() for d, group in worst.groupby("defense")}
    checks = states(evidence.checks)
    checks = checks[(checks["study"] == study) & (checks["variant"] == "main")]
    return {
        "study": study,
        "seeds": int(cells["seeds"].max()),
        "columns": [(c, names.attack(c)) for c in shown],
        "left_out": [
            names.attack(c) for c in cells.columns.drop(["seeds", "n"]) if c not in (*shown, "worst_shared")
        ],
        "rows": [
            {
                "name": names.label(f"{defense}/main"),
                "href": to(page := f"site/runs/{study}/{defense}/main.html"),
                "cells": [_cell(cells.loc[defense, c], to(page, anchor("attack", c))) for c in shown],
                "checks": _checks(checks[checks["defense"] == defense], page),
                "seeds": cells.loc[defense, "seeds"],
                "n": cells.loc[defense, "n"],
            }
            for defense in sorted(cells.index, key=lambda d: -kept.get(d, 0.0))
        ],
    }


def _cell(text: str, href: str) -> dict[str, str]:
    """The value apart from what stands behind it: its interval, and whether it is of fewer images or seeds."""
    value, _, rest = text.partition(" ")
    around, _, fewer = rest.partition(" (")
    return {"value": value, "around": around, "fewer": fewer.rstrip(")"), "href": href}


def _checks(checks: pd.DataFrame, page: str) -> dict[str, Any]:
    """How many checks have each state that is not without a number, and where they stand."""
    count = checks["state"].value_counts()
    return {"counts": [(s, int(count[s])) for s in STATES if s in count], "href": to(page, "checks")}
