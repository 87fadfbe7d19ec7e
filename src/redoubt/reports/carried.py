"""`redoubt evidence`: reports/README.md and reports/evidence/, from the records that the repository carries alone.

Equal records give equal bytes. What stands in reports/README.md above MARK is written by hand and stays.
"""

import io
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd

from redoubt.claims import report
from redoubt.claims import table as verdicts
from redoubt.claims.schema import VERDICTS
from redoubt.config import Study, load_study, resolve, without
from redoubt.errors import RedoubtError
from redoubt.evaluation import check_table
from redoubt.records import results, shipped
from redoubt.records.files import write_whole
from redoubt.reports import comparisons, exhibits, origins, published, tables
from redoubt.reports.figures import style
from redoubt.reports.figures.evidence import Evidence
from redoubt.reports.figures.overview import adaptive_protocol, clean_against_robust
from redoubt.reports.figures.published import above_the_truth
from redoubt.reports.figures.style import Picture

MARK = "<!-- What follows is written by `redoubt evidence` from tracked records alone. -->"
FIGURES = (adaptive_protocol, clean_against_robust)
SHOWN = ["verdict", "paper", "id", "claim", "study", "ours", "interval", "why"]


def write(root: Path, claims: Path, out: Path) -> list[Path]:
    """Writes the page, a page a study, the judged claims, and the figures; removes what no study feeds any more.

    Args:
        claims: folder of the claims files.
        out: the folder `reports`.

    Raises:
        RedoubtError: a record is missing, or is not the one that the repository carries.
    """
    ledger = shipped.ledger(root)
    files: dict[str, bytes] = {}
    pages = []
    studies = [load_study(root / "studies" / f"{name}.yaml") for name in ledger["studies"]]
    external = [study for study in studies if list(study.defenses) == ["external"]]
    for study in studies:
        if study not in external:
            made = _study(root, study, ledger)
            pages.append(made.pop("page").decode())
            files |= made
    if external:
        pages.append(_published(root, external, ledger, files))
    if ledger["studies"]:
        pages.append(_claims(root, claims, ledger, files))
    page = out / "README.md"
    above = page.read_text(encoding="utf-8").partition(MARK)[0].rstrip() if page.is_file() else "# Reports"
    below = pages or ["No study is recorded yet."]
    files["README.md"] = (
        "\n\n".join([above, MARK, "## Recorded evidence", *below, ""]).rstrip().encode() + b"\n"
    )
    for path in (out / "evidence").glob("*"):
        if f"evidence/{path.name}" not in files:
            path.unlink()
    for file, content in files.items():
        write_whole(out / file, content)
    return [out / file for file in files]


def _results(root: Path, name: str, ledger: dict[str, Any]) -> list[Path]:
    """The result records of a study that the repository carries."""
    found = [root / "results" / name / f"{run}.json" for run in ledger["studies"][name]["records"]]
    for path in found:
        if not path.is_file() or not shipped.is_shipped(path):
            raise RedoubtError(
                "this record is not the one that the repository carries",
                file=path, hint=f"git checkout {path}, or redoubt ship {name}",
            )  # fmt: skip
    return found


def _trainings(root: Path, name: str, ledger: dict[str, Any]) -> list[Path]:
    runs = [run for run, held in ledger["studies"][name]["records"].items() if held["training"]]
    split = [run.rpartition("/seed") for run in runs]
    return [shipped.copy_of_training(root, f"{name}/{variant}", int(seed)) for variant, _, seed in split]


def _study(root: Path, study: Study, ledger: dict[str, Any]) -> dict[str, bytes]:
    """The files of a study below reports, and its part of the page as `page`."""
    paths, missing = _results(root, study.name, ledger), shipped.missing(ledger, study.name)
    tidy, checks = results.frame(paths), check_table.table(paths)
    main = tidy[(tidy["variant"] == "main") & (tidy["role"] == "main")]
    by = ["defense", "variant"]
    held = exhibits.held(study, "results", without(resolve(study), missing))
    evidence = Evidence(root, study.name, held.described()["runs"])
    files: dict[str, bytes] = {}
    shown = []
    style()
    for draw in FIGURES if len(main) else ():
        file, picture = f"evidence/{draw.__name__}-{study.name}.svg", draw(evidence)
        files[file] = _drawn(picture)
        shown += [
            f"![{draw.__name__.replace('_', ' ')}]({file})",
            f"{picture.caption} Found: {picture.found}",
        ]
    records = [(p, results.read(p, challenged=False)) for p in paths]
    told = [
        f"### {study.name}",
        study.about,
        f"{origins.summary(records)}. {origins.lacks(missing) or 'Nothing is missing.'}",
        *shown,
        _markdown(tables.flagged(main, checks[checks["variant"] == "main"], ["defense"])),
        f"[Every variant, and each against the main one](evidence/{study.name}.md)",
    ]
    parts = [
        f"# {study.name}: every variant", _markdown(tables.flagged(tidy, checks, by)),
        "## Each variant minus the main one", tables.COMPARED, _markdown(comparisons.ablations(tidy)),
        "## Each defense minus PGD-AT and TRADES", _markdown(comparisons.pairs(tidy)),
        "## Validity checks that failed", _markdown(tables.checks_table(checks[~checks["passed"]])),
    ]  # fmt: skip
    files[f"evidence/{study.name}.md"] = ("\n\n".join(parts) + "\n").encode()
    return {**files, "page": "\n\n".join(told).encode()}


def _published(root: Path, studies: list[Study], ledger: dict[str, Any], files: dict[str, bytes]) -> str:
    """The part of the page on weights that others published: one table, and a figure a study."""
    style()
    shown, paths = [], []
    for study in studies:
        found, missing = _results(root, study.name, ledger), shipped.missing(ledger, study.name)
        held = exhibits.held(study, "results", without(resolve(study), missing))
        picture = above_the_truth(Evidence(root, study.name, held.described()["runs"]))
        name = f"evidence/above_the_truth-{study.name}.svg"
        files[name] = _drawn(picture)
        shown += [f"![{study.about}]({name})", f"{picture.caption} Found: {picture.found}"]
        paths += found
        if missing:
            shown.append(origins.lacks(missing))
    records = [(p, results.read(p, challenged=False)) for p in paths]
    return "\n\n".join(
        ["### Published weights, attacked again", f"{origins.summary(records)}. {published.CAPTION}",
         _markdown(published.table(paths)), *shown]
    )  # fmt: skip


def _drawn(picture: Picture) -> bytes:
    held = io.BytesIO()
    picture.figure.savefig(held, format="svg", bbox_inches="tight", metadata={"Date": None})
    plt.close(picture.figure)
    return held.getvalue()


def _markdown(cells: pd.DataFrame) -> str:
    """A table without padding, which would make most of a tracked file."""
    if not len(cells):
        return "None."
    rows = [list(cells.columns), ["---"] * len(cells.columns), *cells.astype(str).to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(str(c).replace('|', '/') for c in row)} |" for row in rows)


def _claims(root: Path, folder: Path, ledger: dict[str, Any], files: dict[str, bytes]) -> str:
    """The counts of verdicts by paper; every claim goes into a file of its own."""
    names = list(ledger["studies"])
    judged = [p for name in names for p in _results(root, name, ledger)]
    trained = [p for name in names for p in _trainings(root, name, ledger)]
    every = report.build(folder, judged, trained)
    rows = [r for r in every if r["kind"] != "context"]
    left_out = f"{len(every) - len(rows)} more stand in `claims/` that no run is to test: `redoubt claims` shows all."
    files["evidence/claims.md"] = (
        f"# Claims\n\n{verdicts.CAPTION} {left_out}\n\n{_markdown(verdicts.table(rows)[SHOWN])}\n".encode()
    )
    found = [v for v in VERDICTS if any(r["verdict"] == v for r in rows)]
    papers = list(dict.fromkeys(r["file"] for r in rows))
    counts = [
        {"paper": file.removeprefix("claims/").removesuffix(".yaml"),
         **{v: sum(r["file"] == file and r["verdict"] == v for r in rows) for v in found}}
        for file in sorted(papers)
    ]  # fmt: skip
    return "\n\n".join(["### Claims", "On all recorded studies ([each claim](evidence/claims.md)):",
                        _markdown(pd.DataFrame(counts))])  # fmt: skip
