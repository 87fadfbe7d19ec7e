"""Results -> `reports/tables/*.{csv,md,tex,html}` and the list of them, `reports/all_tables`.

Cells of accuracies are those of `accuracies`, tables of single papers those of `paper_tables`.
"""

import hashlib
import html
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from redoubt.claims import table as verdicts
from redoubt.evaluation import check_table
from redoubt.records import results, trainings
from redoubt.records.files import read_json, write_record, write_whole
from redoubt.reports import comparisons, exhibits, names, origins, paper_tables, published
from redoubt.reports.accuracies import accuracy_table
from redoubt.reports.escaping import for_csv, for_markdown

TITLES = {
    "variants": "Every variant under the protocol's attacks",
    "ablations": "Each variant minus the main one, image by image",
    "evidence": "Every evaluation as counts",
    "training": "What each training selected",
    "exhibits": "Every table and figure of the papers",
}
COMPARED = (
    "Points of accuracy on the same images and seeds; 95 % bootstrap over images and seeds, and the exact McNemar test "
    "where there is one seed. `direction` speaks where the interval leaves out 0."
)


@dataclass(frozen=True)
class Table:
    """A finished table: formatted cells, what it shows, and the records behind it."""

    name: str
    caption: str
    cells: pd.DataFrame
    sources: list[str]


def evidence_table(tidy: pd.DataFrame) -> pd.DataFrame:
    """Every evaluation: one row a run and attack, as counts, so that any cell above can be made again by hand."""
    kept = ["study", "defense", "variant", "seed", "name", "attack", "view", "checkpoint", "norm", "eps", "n"]
    cells = tidy[kept].copy()
    cells["eps"] = [f"{v:.4g}" for v in tidy["eps"]]
    cells["correct"] = [int(c.sum()) for c in tidy["correct"]]
    cells["largest perturbation"] = [f"{v:.6f}" for v in tidy["max_perturbation"]]
    run = kept[:4]
    cells["made"] = tidy[run].merge(origins.column(tidy, run), on=run, how="left")["made"].to_numpy()
    return cells


def checks_table(checks: pd.DataFrame) -> pd.DataFrame:
    """Each validity check of each variant: how many seeds passed it, and the value of the first that did not."""
    rows = []
    for keys, group in checks.groupby(["study", "defense", "variant", "check"], sort=False):
        shown = group[~group["passed"]] if not group["passed"].all() else group
        first = shown.iloc[0]
        rows.append(
            {
                **dict(zip(("study", "defense", "variant", "check"), keys, strict=True)),
                "passed": f"{int(group['passed'].sum())} of {len(group)}",
                "value": f"{first['value']:.4g}",
                "limit": f"{first['limit']:.4g}",
                "what it says": first["why"],
            }
        )
    return pd.DataFrame(rows)


def flags(checks: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """How many validity checks failed for each variant, over its seeds; empty where none did."""
    failed = checks.assign(failed=~checks["passed"]).groupby(by, sort=False)["failed"].sum()
    return failed.map(lambda n: f"{n} failed" if n else "").rename("checks").reset_index()


def flagged(
    tidy: pd.DataFrame, checks: pd.DataFrame, by: list[str], attacks: list[str] | None = None
) -> pd.DataFrame:
    """Accuracies with the number of failed checks; empty where no study has such a variant."""
    cells = accuracy_table(tidy, by, attacks)
    return (
        cells.merge(flags(checks, by), on=by).merge(origins.column(tidy, by), on=by) if len(cells) else cells
    )


def training_table(records: list[dict]) -> pd.DataFrame:
    """What each run's training selected."""
    rows = []
    for r in records:
        if not r["history"]:
            continue  # published weights
        best, last = r["history"][r["best_epoch"]], r["history"][-1]
        rows.append(
            {
                **r["run"],
                "epochs": len(r["history"]),
                "seconds": f"{r['seconds']:.1f}",
                "selected epoch": r["best_epoch"] + 1,
                "selected on": r["selected_on"],
                "validation clean": f"{100 * best['clean']:.1f}",
                "validation PGD": f"{100 * best['robust']:.1f}",
                "validation PGD, last": f"{100 * last['robust']:.1f}",
            }
        )
    return pd.DataFrame(rows)


def build(
    result_files: list[Path],
    record_files: list[Path],
    listed: Path | None = None,
    claims: Path | None = None,
) -> list[Table]:
    """Every table that the evidence can feed, and the lists of exhibits and claims where their files are given."""
    tidy, checks = results.frame(result_files), check_table.table(result_files)
    sources = [p.as_posix() for p in result_files]
    main = tidy[(tidy["variant"] == "main") & (tidy["role"] == "main")]
    by, cell = ["study", "defense"], ["study", "defense", "variant"]
    tables = [
        Table(
            "main",
            "Accuracy in percent, natural and under attack: mean over seeds with its 95 % bootstrap interval over "
            "images and seeds, which has no width at 0 and at 100. `worst` is the minimum, image by image, over every "
            "main attack that a seed faced, `worst_shared` over those that all its seeds faced, where these are fewer; "
            "a cell of fewer images or seeds than `n` and `seeds` says so; `checks` counts failed validity checks, "
            "listed in the table of that name.",
            flagged(main, checks[checks["variant"] == "main"], by),
            sources,
        ),
        Table(
            "variants",
            "Every variant of every defense under the protocol's attacks, as in `main`; all others stand in "
            "`evidence`.",
            flagged(tidy, checks, cell, paper_tables.columns(tidy, paper_tables.PROTOCOL)),
            sources,
        ),
        Table("pairs", f"Each defense minus PGD-AT and TRADES. {COMPARED}", comparisons.pairs(tidy), sources),
        Table(
            "ablations", f"Each variant minus the main one. {COMPARED}", comparisons.ablations(tidy), sources
        ),
        Table(
            "best_last",
            f"Robust overfitting: the selected weights minus the last ones. {COMPARED}",
            comparisons.best_against_last(tidy),
            sources,
        ),
        Table(
            "confidence",
            "Accuracy in percent of the half of the test images with the lower natural loss and of the other half, by "
            "radius; a negative radius lowers the loss (inverse adversary).",
            comparisons.confidence_halves(tidy),
            sources,
        ),
        Table(
            "checks",
            "Whether the numbers can be believed: every validity check, how many seeds passed it, and the value of the "
            "first seed, or of the first that failed.",
            checks_table(checks),
            sources,
        ),
        Table("published", published.CAPTION, published.table(result_files), sources),
        Table("evidence", "Every evaluation as counts.", evidence_table(tidy), sources),
    ]
    if record_files:
        records = [trainings.read(p) for p in record_files]
        named = [p.as_posix() for p in record_files]
        tables.append(Table("training", "What each training selected.", training_table(records), named))
    tables += [Table(*found) for found in paper_tables.build(tidy)]
    if listed:
        cells = paper_tables.listed(read_json(listed, "redoubt exhibits")["exhibits"])
        caption = "Every table and figure of the papers: the studies that feed it, or why it is not made."
        tables.append(Table("exhibits", caption, cells, [listed.as_posix()]))
    if claims:
        cells = verdicts.table(read_json(claims, "redoubt claims"))
        tables.append(Table("claims", verdicts.CAPTION, cells, [claims.as_posix()]))
    return [t for t in tables if len(t.cells)]


def title(name: str) -> str:
    """What a table is called in words: that of its exhibit, or its own."""
    known = {e.name.removesuffix("_table"): e.title for e in exhibits.ALL.values() if e.kind == "table"}
    return known.get(name) or TITLES.get(name) or name.replace("_", " ").capitalize()


def write(tables: list[Table], folder: Path, listing: Path) -> None:
    """Each table as csv, md, tex and html, and the list of all of them with titles, hashes and sources.

    The csv keeps the names of the studies, the others are in words.
    """
    entries = []
    for t in tables:
        read = t.cells.rename(columns=names.attack)
        texts = {
            "csv": for_csv(t.cells).to_csv(index=False, lineterminator="\n"),
            "md": f"{t.caption}\n\n{for_markdown(read).to_markdown(index=False, disable_numparse=True)}\n",
            "tex": read.to_latex(index=False, escape=True, caption=t.caption.replace("%", r"\%")),
            "html": f"<p>{html.escape(t.caption)}</p>\n{read.to_html(index=False, border=0)}\n",
        }
        for ending, text in texts.items():
            write_whole(folder / f"{t.name}.{ending}", text.encode())
        files = {e: hashlib.sha256(text.encode()).hexdigest() for e, text in texts.items()}
        entries.append(
            {
                "table": t.name,
                "title": title(t.name),
                "caption": t.caption,
                "rows": len(t.cells),
                "cells": int(t.cells.size),
                "sha256": files,
                "sources": t.sources,
            }
        )
    write_record(listing, {"tables": entries})
