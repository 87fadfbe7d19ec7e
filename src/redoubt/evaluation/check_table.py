"""The validity checks of many result records as one frame."""

from pathlib import Path

import pandas as pd

from redoubt.evaluation.checks import ablated_part_breaks
from redoubt.records import results


def table(paths: list[Path]) -> pd.DataFrame:
    """One row a run and validity check, and `ablated_part_breaks` against the undefended network of its study."""
    records = [results.read(path) for path in paths]
    plain = {
        (r["run"]["study"], r["run"]["seed"]): r["evaluations"]
        for r in records
        if (r["run"]["defense"], r["run"]["variant"]) == ("standard", "main")
    }
    rows = []
    for record in records:
        run, found = record["run"], list(record["checks"])
        undefended = plain.get((run["study"], run["seed"]))
        if run["defense"] != "standard" and undefended:
            found += filter(None, [ablated_part_breaks(undefended, record["evaluations"])])
        rows += [
            {**run, "check": c["name"], **{k: c[k] for k in ("value", "limit", "passed", "why")}}
            for c in found
        ]
    return pd.DataFrame(rows)
