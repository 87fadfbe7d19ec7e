"""Verdicts as reports/claims.json and in the terminal."""

import importlib.metadata
from pathlib import Path
from typing import Any

from redoubt.claims.schema import VERDICTS, WAITING, Paper, check_names, load_all
from redoubt.config import names
from redoubt.config.fingerprints import code_fingerprint
from redoubt.errors import RedoubtError, nearest
from redoubt.records import challenges
from redoubt.records.files import digest, sha256, write_json
from redoubt.records.kept import Kept


def build(
    folder: Path, results: list[Path], records: list[Path], kept: Kept | None = None
) -> list[dict[str, Any]]:
    """Every row of reports/claims.json, worst verdict first, then by paper and by the order of its file.

    Args:
        kept: where the rows lie until a claim, a record, or what judges them is another.

    Raises:
        RedoubtError: a broken claims file or record.
    """
    papers = load_all(folder)
    judge = lambda: _judged(folder, papers, results, records)
    read = [*results, *records]
    if kept is None or not all(path.is_file() for path in read):
        return judge()
    inputs = digest(
        {
            "reduced": names.reduced(folder.parent),
            "challenges": [sha256(f) for path in results for f in challenges.files(path)],
            "code": code_fingerprint(__name__),
            "versions": [importlib.metadata.version(name) for name in ("numpy", "pandas", "scipy")],
            "claims": [(path.name, paper.model_dump(mode="json")) for path, paper in papers.items()],
            "records": [(path.as_posix(), sha256(path)) for path in read],
        }
    )
    rows = kept.of("claims", inputs, judge)
    kept.save()
    return rows


def _judged(
    folder: Path, papers: dict[Path, Paper], results: list[Path], records: list[Path]
) -> list[dict[str, Any]]:
    from redoubt.claims.evidence import Evidence  # tables and statistics, which kept rows do not need
    from redoubt.claims.judge import judge

    known = names.runs(folder.parent)  # a run that no study has is misspelled, not "not run"
    runs = ["/".join(run.split("/")[1:]) for run in known]
    for path, paper in papers.items():
        check_names(path, paper, runs)
    evidence = Evidence(tuple(results), tuple(records), tuple(names.reduced(folder.parent)))
    rows = []
    for path, paper in papers.items():
        head = {"paper": paper.paper, "title": paper.title, "file": f"claims/{path.name}"}
        for claim in paper.claims:
            told = {**head, "headline": claim.id == paper.headline}
            rows += [{**told, **row} for row in judge(claim, evidence, paper.protocol)]
    return sorted(rows, key=lambda row: (VERDICTS.index(row["verdict"]), row["file"]))


def write(rows: list[dict[str, Any]], path: Path) -> None:
    """The rows as reports/claims.json; equal rows give equal bytes."""
    write_json(path, rows)


def recorded(root: Path) -> tuple[list[Path], list[Path]]:
    """Every result and training record that lies in a project, of whatever study."""
    made, shipped = (
        root.glob("checkpoints/*/*/*/seed*/record.json"),
        root.glob("results/*/*/*/training/seed*.json"),
    )
    trained = {tuple(p.parts[-5:-1]): p for p in made}
    for path in shipped:
        trained.setdefault((*path.parts[-5:-2], path.stem), path)
    return sorted(root.glob("results/*/*/*/seed*.json")), [trained[run] for run in sorted(trained)]


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


def terminal(rows: list[dict[str, Any]]):
    """The rows as a rich table that can be read at 100 characters: what each claim says, ours, why."""
    from rich.table import Table

    shown = Table(show_lines=False, pad_edge=False)
    for name in ("verdict", "claim", "paper", "ours", "why"):
        shown.add_column(name, overflow="fold", ratio={"claim": 3, "ours": 2, "why": 3}.get(name))
    for row in rows:
        value = "" if row["paper_value"] is None else f"{row['paper_value']:g}"
        measured = f"{row['study'] or ''} {ours(row)} {interval(row['interval'])}".strip()
        label = f"{row['file'].removeprefix('claims/').removesuffix('.yaml')} {row['id']}: {row['claim']}"
        why = "; ".join(filter(None, (row["why"], row["cost"], *row["differences"])))
        shown.add_row(row["verdict"], label, value, measured, why)
    return shown


def judged(rows: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
    """The claims that runs here decided, a claim that several studies test once for each."""
    return [r for r in rows or [] if r.get("kind") != "context" and r.get("verdict") not in WAITING]


def waiting(rows: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
    """The claims that a run could test, but none here does, or not under the paper's protocol."""
    return [r for r in rows or [] if r.get("kind") != "context" and r.get("verdict") in WAITING]


def counts(rows: list[dict[str, Any]]) -> str:
    """How many verdicts claims of the papers and controls of ours have, one a study, and how many wait, in one line."""
    found = judged(rows)
    ours = [r for r in found if r["by"] == "ours"]
    parts = [
        f"judged, once a study: {_verdicts([r for r in found if r not in ours])}",
        f"controls of ours: {_verdicts(ours)}",
        f"waiting: {_verdicts(waiting(rows))}",
        f"numbers for context: {sum(r['kind'] == 'context' for r in rows)}",
    ]
    return "; ".join(parts)


def _verdicts(rows: list[dict[str, Any]]) -> str:
    found = [(v, sum(row["verdict"] == v for row in rows)) for v in VERDICTS]
    return ", ".join(f"{n} {v}" for v, n in found if n) or "none"


def ours(row: dict[str, Any]) -> str:
    """What we measured, with its unit; of one comparison also what is subtracted from what."""
    if row["ours"] is None or isinstance(row["ours"], str):
        return row["ours"] or ""
    if row["kind"] != "direction":
        return f"{row['ours']:.4g} {row['unit'] or ''}".strip()
    return row["comparisons"][0]["text"].rpartition(" (")[0]


def interval(bounds: list[float] | None) -> str:
    """Both ends of an interval."""
    return "" if bounds is None else f"{bounds[0]:.4g} to {bounds[1]:.4g}"
