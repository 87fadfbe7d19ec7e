"""Verdicts as reports/claims.json, as the table `claims`, and in the terminal."""

from pathlib import Path
from typing import Any

import pandas as pd

from redoubt.claims.evidence import Evidence
from redoubt.claims.judge import judge
from redoubt.claims.schema import VERDICTS, load_all
from redoubt.errors import RedoubtError, nearest
from redoubt.records.files import write_json

CAPTION = (
    "Every claim of the papers, worst verdict first. A direction is a difference in points of accuracy (or the unit "
    "given) with its 95 % bootstrap interval over images and seeds; a number is in percent. Numbers are judged only "
    "where data set, architecture, threat and attack agree."
)


def build(folder: Path, results: list[Path], records: list[Path]) -> list[dict[str, Any]]:
    """Every row of reports/claims.json, worst verdict first, then by paper and by the order of its file.

    Raises:
        RedoubtError: a broken claims file or record.
    """
    evidence = Evidence(tuple(results), tuple(records))
    rows = []
    for path, paper in load_all(folder).items():
        head = {"paper": paper.paper, "title": paper.title, "file": f"claims/{path.name}"}
        rows += [{**head, **row} for claim in paper.claims for row in judge(claim, evidence)]
    return sorted(rows, key=lambda row: (VERDICTS.index(row["verdict"]), row["file"]))


def write(rows: list[dict[str, Any]], path: Path) -> None:
    """The rows as reports/claims.json; equal rows give equal bytes."""
    write_json(path, rows)


def recorded(root: Path) -> tuple[list[Path], list[Path]]:
    """Every result and training record that lies in a project, of whatever study."""
    return sorted(root.glob("results/*/*/*/seed*.json")), sorted(
        root.glob("checkpoints/*/*/*/seed*/record.json")
    )


def of_paper(rows: list[dict[str, Any]], paper: str | None, folder: Path) -> list[dict[str, Any]]:
    """The rows of one claims file, by its name without ending; all of them for None.

    Raises:
        RedoubtError: no such file.
    """
    known = [p.stem for p in sorted(folder.glob("*.yaml"))]
    if paper is not None and paper not in known:
        raise RedoubtError(
            "no such file of claims", key="--paper", value=paper, allowed=known, nearest=nearest(paper, known)
        )
    return [row for row in rows if paper is None or row["file"] == f"claims/{paper}.yaml"]


def table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """The rows as cells of text."""
    return pd.DataFrame(
        {
            "paper": row["paper"],
            "id": row["id"],
            "claim": row["claim"],
            "paper's value": "" if row["paper_value"] is None else f"{row['paper_value']:g}",
            "paper's protocol": ", ".join(f"{k}: {v}" for k, v in row["protocol"].items()),
            "study": row["study"] or "",
            "ours": _ours(row),
            "interval": _interval(row["interval"]),
            "verdict": row["verdict"],
            "differences": "; ".join(row["differences"]),
            "why": row["why"],
            "cost": row["cost"] or "",
            "evidence": " ".join(row["evidence"]),
        }
        for row in rows
    )


def terminal(rows: list[dict[str, Any]]):
    """The rows as a rich table that can be read at 100 characters: what each claim says, ours, why."""
    from rich.table import Table

    shown = Table(show_lines=False, pad_edge=False)
    for name in ("verdict", "claim", "paper", "ours", "why"):
        shown.add_column(name, overflow="fold", ratio={"claim": 3, "ours": 2, "why": 3}.get(name))
    for row in rows:
        value = "" if row["paper_value"] is None else f"{row['paper_value']:g}"
        ours = f"{row['study'] or ''} {_ours(row)} {_interval(row['interval'])}".strip()
        label = f"{row['file'].removeprefix('claims/').removesuffix('.yaml')} {row['id']}: {row['claim']}"
        why = "; ".join(filter(None, (row["why"], row["cost"], *row["differences"])))
        shown.add_row(row["verdict"], label, value, ours, why)
    return shown


def counts(rows: list[dict[str, Any]]) -> str:
    """How many rows have each verdict, in one line."""
    found = [(v, sum(row["verdict"] == v for row in rows)) for v in VERDICTS]
    return ", ".join(f"{n} {v}" for v, n in found if n) or "no claim"


def _ours(row: dict[str, Any]) -> str:
    if row["ours"] is None or isinstance(row["ours"], str):
        return row["ours"] or ""
    sign = "+" if row["kind"] == "direction" else ""
    return f"{row['ours']:{sign}.4g} {row['unit'] or ''}".strip()


def _interval(bounds: list[float] | None) -> str:
    return "" if bounds is None else f"{bounds[0]:.4g} to {bounds[1]:.4g}"
