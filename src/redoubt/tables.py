"""Results -> `reports/tables/*.{csv,md,tex,html}` and the list of them, `reports/all_tables`.

The only place that formats a number. A cell of an accuracy is a percentage; its interval is Wilson's 95 % where
one seed was run, and the spread (standard deviation) over seeds stands beside the mean where there are several.
"""

import hashlib
import html
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from redoubt import results
from redoubt.provenance import read_json, write_whole
from redoubt.statistics import mcnemar, paired_difference, wilson

FIRST = ["clean", "fgsm", "pgd", "screen", "autoattack", "worst"]


@dataclass(frozen=True)
class Table:
    """A finished table: formatted cells, what it shows, and the records behind it."""

    name: str
    caption: str
    cells: pd.DataFrame
    sources: list[str]


def percent(rows: pd.DataFrame) -> str:
    """One cell: mean over seeds of the accuracy, with its spread or its interval."""
    shares = np.array([c.mean() for c in rows["correct"]])
    if len(shares) > 1:
        return f"{100 * shares.mean():.1f} ± {100 * shares.std(ddof=1):.1f}"
    ci = wilson(int(rows["correct"].iloc[0].sum()), int(rows["n"].iloc[0]))
    return f"{100 * ci.value:.1f} [{100 * ci.low:.1f}, {100 * ci.high:.1f}]"


def _order(names: pd.Series) -> list[str]:
    """Attack names from weak to strong, as far as their names say."""
    rank = lambda n: (next((i for i, f in enumerate(FIRST) if n.startswith(f)), 3), n)
    return sorted(names.unique(), key=rank)


def accuracy_table(tidy: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """One row a variant, one column an attack; an empty cell where a variant did not face it."""
    attacks = _order(tidy["name"])
    rows = []
    for keys, group in tidy.groupby(by, sort=False):
        row = dict(zip(by, keys, strict=True))
        row["seeds"] = group["seed"].nunique()
        row["n"] = int(group["n"].max())
        for attack in attacks:
            cell = group[group["name"] == attack]
            row[attack] = percent(cell) if len(cell) else ""
        rows.append(row)
    return pd.DataFrame(rows)


def pairs_table(tidy: pd.DataFrame) -> pd.DataFrame:
    """Each main variant against PGD-AT on the same images and seeds, under the strongest attack both faced."""
    rows = []
    for study, group in tidy[tidy["variant"] == "main"].groupby("study", sort=False):
        base = group[group["defense"] == "pgd_at"]
        for defense, other in group.groupby("defense", sort=False):
            if defense == "pgd_at" or base.empty:
                continue
            for name in [
                n for n in ("clean", "screen", "autoattack") if n in set(base["name"]) & set(other["name"])
            ]:
                a = other[other["name"] == name].set_index("seed")["correct"]
                b = base[base["name"] == name].set_index("seed")["correct"]
                seeds = sorted(set(a.index) & set(b.index))
                if not seeds:
                    continue
                left, right = np.stack([a[s] for s in seeds]), np.stack([b[s] for s in seeds])
                d = paired_difference(left, right)
                rows.append(
                    {
                        "study": study, "defense": defense, "against": "pgd_at", "attack": name, "seeds": len(seeds),
                        "difference": f"{100 * d.value:+.1f} [{100 * d.low:+.1f}, {100 * d.high:+.1f}]",
                        "McNemar p": f"{mcnemar(left.ravel(), right.ravel()):.2g}" if len(seeds) == 1 else "",
                    }
                )  # fmt: skip
    return pd.DataFrame(rows)


def evidence_table(tidy: pd.DataFrame) -> pd.DataFrame:
    """Every evaluation: one row a run and attack, as counts, so that any cell above can be made again by hand."""
    kept = ["study", "defense", "variant", "seed", "name", "attack", "view", "checkpoint", "norm", "eps", "n"]
    cells = tidy[kept].copy()
    cells["eps"] = [f"{v:.4g}" for v in tidy["eps"]]
    cells["correct"] = [int(c.sum()) for c in tidy["correct"]]
    cells["largest perturbation"] = [f"{v:.6f}" for v in tidy["max_perturbation"]]
    return cells


def training_table(records: list[dict]) -> pd.DataFrame:
    """What each run's training selected."""
    rows = []
    for r in records:
        best, last = r["history"][r["best_epoch"]], r["history"][-1]
        rows.append(
            {
                **r["run"],
                "epochs": len(r["history"]),
                "selected epoch": r["best_epoch"] + 1,
                "selected on": r["selected_on"],
                "validation clean": f"{100 * best['clean']:.1f}",
                "validation PGD": f"{100 * best['robust']:.1f}",
                "validation PGD, last": f"{100 * last['robust']:.1f}",
            }
        )
    return pd.DataFrame(rows)


def build(result_files: list[Path], record_files: list[Path]) -> list[Table]:
    """Every table that the evidence can feed."""
    tidy = results.frame(result_files)
    sources = [p.as_posix() for p in result_files]
    main = tidy[(tidy["variant"] == "main") & (tidy["role"] == "main")]
    by = ["study", "defense"]
    tables = [
        Table(
            "main",
            "Accuracy in percent, natural and under attack; mean ± standard deviation over seeds, or the value with "
            "its Wilson 95 % interval where there is one seed. `worst` is the minimum over attacks, image by image.",
            accuracy_table(main, by),
            sources,
        ),
        Table(
            "variants",
            "Every variant of every defense, as in `main`.",
            accuracy_table(tidy, ["study", "defense", "variant"]),
            sources,
        ),
        Table(
            "pairs",
            "Accuracy minus that of PGD-AT in points, on the same images and seeds; 95 % bootstrap over images and "
            "seeds, and the exact McNemar test where there is one seed.",
            pairs_table(tidy),
            sources,
        ),
        Table("evidence", "Every evaluation as counts.", evidence_table(tidy), sources),
    ]
    if record_files:
        records = [read_json(p, "redoubt train") for p in record_files]
        named = [p.as_posix() for p in record_files]
        tables.append(Table("training", "What each training selected.", training_table(records), named))
    return tables


def write(tables: list[Table], folder: Path, listing: Path) -> None:
    """Each table as csv, md, tex and html, and the list of all of them with hashes and sources."""
    entries = []
    for t in tables:
        texts = {
            "csv": t.cells.to_csv(index=False, lineterminator="\n"),
            "md": f"{t.caption}\n\n{t.cells.to_markdown(index=False, disable_numparse=True)}\n",
            "tex": t.cells.to_latex(index=False, escape=True, caption=t.caption.replace("%", r"\%")),
            "html": f"<p>{html.escape(t.caption)}</p>\n{t.cells.to_html(index=False, border=0)}\n",
        }
        for ending, text in texts.items():
            write_whole(folder / f"{t.name}.{ending}", text.encode())
        files = {e: hashlib.sha256(text.encode()).hexdigest() for e, text in texts.items()}
        entries.append(
            {
                "table": t.name,
                "caption": t.caption,
                "rows": len(t.cells),
                "cells": int(t.cells.size),
                "sha256": files,
                "sources": t.sources,
            }
        )
    write_whole(listing, (json.dumps({"tables": entries}, indent=1) + "\n").encode())
