"""What the site shows, read from files once: runs with their records, tables, figures, claims, notebooks.

Runs are the reason for the site and have to be whole; everything else may be missing and is then None or empty, so
that a page can say so.
"""

import csv
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from redoubt.claims.fidelity import Method, load_all
from redoubt.evaluation import check_table
from redoubt.records import results, trainings
from redoubt.records.files import read_json, sha256

SIZE = re.compile(r'<svg[^>]* width="([\d.]+)pt" height="([\d.]+)pt"')


@dataclass(frozen=True)
class Seed:
    """One training seed of a run.

    Attributes:
        record, file, sha256: the result record, where it lies, and the hash of its bytes.
        training, training_file: the training record; None where only results were brought.
    """

    seed: int
    record: dict[str, Any]
    file: Path
    sha256: str
    training: dict[str, Any] | None = None
    training_file: Path | None = None


@dataclass
class Run:
    """A variant as the command line names it: `study/defense/variant`, with every seed that was attacked.

    Attributes:
        failed: how many validity checks failed, over its seeds.
    """

    study: str
    defense: str
    variant: str
    seeds: list[Seed] = field(default_factory=list)
    failed: int = 0

    @property
    def path(self) -> str:
        return f"{self.study}/{self.defense}/{self.variant}"

    @property
    def page(self) -> str:
        return f"site/runs/{self.path}.html"

    @property
    def paper(self) -> str | None:
        """The arXiv number, or the name, of the paper that proposes the defense."""
        return self.seeds[0].record.get("paper")

    @property
    def about(self) -> str:
        return self.seeds[0].record.get("about") or ""

    @property
    def evaluations(self) -> int:
        return sum(len(s.record["evaluations"]) for s in self.seeds)


@dataclass(frozen=True)
class Evidence:
    """Everything that the pages are made from.

    Attributes:
        reports: the folder that holds the tables, figures and the site itself.
        tidy, checks: `results.frame` and `check_table.table` of every result record.
        tables, figures: the entries of the two listings, tables with their `header` and `rows` of text, figures with
            their `size`, None where it is not known.
        exhibits: the tables and figures of the papers, as `reports/exhibits.json` lists them.
        claims: one dict a claim, or None where no claim was judged.
        notebooks: executed notebooks, relative to `reports`.
        methods: what equals the authors' code and what does not, a method each.
    """

    reports: Path
    runs: list[Run]
    tidy: pd.DataFrame
    checks: pd.DataFrame
    tables: list[dict[str, Any]]
    figures: list[dict[str, Any]]
    exhibits: list[dict[str, Any]]
    claims: list[dict[str, Any]] | None
    notebooks: list[str]
    methods: list[Method]


def load(
    reports: Path, result_files: list[Path], record_files: list[Path], fidelity: Path | None = None
) -> Evidence:
    """Reads everything; records and files of `fidelity` that are broken raise RedoubtError."""
    runs, checks = _runs(result_files, record_files), check_table.table(result_files)
    if len(checks):
        failed = checks[~checks["passed"]].groupby(["study", "defense", "variant"]).size()
        for run in runs:
            run.failed = int(failed.get((run.study, run.defense, run.variant), 0))
    return Evidence(
        reports=reports,
        runs=runs,
        tidy=results.frame(result_files),
        checks=checks,
        tables=_tables(reports),
        figures=_figures(reports),
        exhibits=_listed(reports / "exhibits.json", "exhibits"),
        claims=_claims(reports / "claims.json"),
        notebooks=sorted(p.relative_to(reports).as_posix() for p in reports.glob("notebooks/*.ipynb")),
        methods=list(load_all(fidelity).values()) if fidelity else [],
    )


def _runs(result_files: list[Path], record_files: list[Path]) -> list[Run]:
    trained = {}
    for path in record_files:
        record = trainings.read(path)
        trained[tuple(record["run"].values())] = (record, path)
    runs: dict[tuple, Run] = {}
    for path in result_files:
        record = results.read(path)
        study, defense, variant, seed = key = tuple(record["run"].values())
        run = runs.setdefault(key[:3], Run(study, defense, variant))
        run.seeds.append(Seed(seed, record, path, sha256(path), *trained.get(key, (None, None))))
    return list(runs.values())


def _listed(path: Path, key: str) -> list[dict[str, Any]]:
    return read_json(path, f"snakemake {path}")[key] if path.is_file() else []


def _figures(reports: Path) -> list[dict[str, Any]]:
    """The listed figures, each with the size in CSS pixels at which its words are as large as they were drawn."""
    found = _listed(reports / "all_figures", "figures")
    for figure in found:
        path = reports / "figures" / f"{figure['figure']}.svg"
        size = SIZE.search(path.read_text(encoding="utf-8")[:2000]) if path.is_file() else None
        figure["size"] = [round(float(v) * 4 / 3) for v in size.groups()] if size else None
    return found


def _tables(reports: Path) -> list[dict[str, Any]]:
    found = []
    for entry in _listed(reports / "all_tables", "tables"):
        path = reports / "tables" / f"{entry['table']}.csv"
        if path.is_file():
            with open(path, encoding="utf-8", newline="") as file:
                header, *rows = csv.reader(file)
            found.append({**entry, "header": header, "rows": rows})
    return found


def _claims(path: Path) -> list[dict[str, Any]] | None:
    return read_json(path, "redoubt claims") if path.is_file() else None
