"""Commands that turn evidence into tables, verdicts, figures and pages."""

from pathlib import Path
from typing import Annotated

import typer

from redoubt.cli.options import Root, terminal
from redoubt.errors import RedoubtError

app = typer.Typer()
FIDELITY = Path("docs/fidelity")


@app.command()
def tables(
    results: Annotated[list[Path], typer.Argument(help="result records")],
    records: Annotated[list[Path] | None, typer.Option("--record", help="training records")] = None,
    out: Annotated[Path, typer.Option(help="folder of the tables")] = Path("reports/tables"),
    listing: Annotated[Path, typer.Option(help="the list of all tables")] = Path("reports/all_tables"),
    exhibits: Annotated[Path | None, typer.Option(help="the list of exhibits, for a table of them")] = None,
    claims: Annotated[Path | None, typer.Option(help="the judged claims, for a table of them")] = None,
) -> None:
    """Results to tables: csv, md, tex and html, and a list with their hashes."""
    from redoubt.reports import tables as t

    t.write(t.build(results, records or [], exhibits, claims), out, listing)


@app.command()
def claims(
    results: Annotated[list[Path] | None, typer.Argument(help="default: every result record here")] = None,
    records: Annotated[list[Path] | None, typer.Option("--record", help="training records")] = None,
    folder: Annotated[Path | None, typer.Option(help="folder of the claims files; default: claims")] = None,
    out: Annotated[Path, typer.Option(help="the judged claims")] = Path("reports/claims.json"),
    paper: Annotated[str | None, typer.Option(help="print only the claims of this file, e.g. uiat")] = None,
) -> None:
    """Judge every claim of the papers on the records; the worst verdict comes first."""
    from redoubt.claims import report
    from redoubt.records.kept import Kept

    if folder and not folder.is_dir():
        raise RedoubtError("there is no such folder of claims", key="--folder", value=str(folder))
    folder = folder or Path("claims")
    if not results:
        results, records = report.recorded(Path())
    rows = report.build(folder, results, records or [], Kept(Path(".cache/claims.json")))
    report.write(rows, out)
    shown = report.of_paper(rows, paper, folder)
    shell = terminal()
    shell.print(report.terminal(shown))
    shell.print(report.counts(shown))


@app.command()
def site(
    results: Annotated[list[Path], typer.Argument(help="result records")],
    records: Annotated[list[Path] | None, typer.Option("--record", help="training records")] = None,
    reports: Annotated[Path, typer.Option(help="the folder with tables, figures, claims")] = Path("reports"),
    fidelity: Annotated[Path, typer.Option(help="folder of what equals the authors' code")] = FIDELITY,
) -> None:
    """The pages that open from disk, reports/index.html first, and what an archive has to know of them."""
    from redoubt.reports import site as s

    s.write(reports, results, records or [], fidelity)


@app.command()
def figures(
    folder: Annotated[Path, typer.Argument(help="folder of the figures")],
    listing: Annotated[Path, typer.Argument(help="the list to write")],
) -> None:
    """List every figure with its caption and hashes."""
    from redoubt.reports import figures as f

    f.listing(folder, listing)


@app.command()
def exhibits(
    listing: Annotated[Path, typer.Argument(help="the list to write")] = Path("reports/exhibits.json"),
    root: Root = Path(),
) -> None:
    """List every table and figure of the papers: made by which study, or why not."""
    from redoubt.records.files import write_record
    from redoubt.reports import exhibits as x
    from redoubt.workflow.snakefile import Dag

    write_record(listing, x.listing(Dag(root).held))


@app.command()
def fidelity(
    folder: Annotated[Path, typer.Option(help="folder of the tables, one file a method")] = FIDELITY,
    out: Annotated[Path, typer.Option(help="the page to write")] = Path("docs/fidelity.md"),
) -> None:
    """Write docs/fidelity.md: what is equal to the authors' code and what deliberately is not."""
    from redoubt.claims import fidelity as f

    f.write(folder, out)


@app.command()
def effects(
    results: Annotated[list[Path] | None, typer.Argument(help="default: every result record here")] = None,
    folder: Annotated[Path, typer.Option(help="folder of the tables, one file a method")] = FIDELITY,
) -> None:
    """Measure what each deviation from the authors' code does, and write it into docs/fidelity/*.yaml."""
    from redoubt.claims import effects as e
    from redoubt.claims import report
    from redoubt.records.results import frame

    measured = e.write(folder, frame(results or report.recorded(Path())[0]))
    terminal().print("\n".join([f"measured: {len(measured)}", *measured]))


@app.command()
def schema(root: Root = Path()) -> None:
    """Write what follows from the code: studies/schema.json, studies/defaults.md and docs/exhibits.md."""
    from redoubt.config import documentation
    from redoubt.records.files import write_whole
    from redoubt.reports import exhibits as x

    documentation.write(root)
    write_whole(root / "docs" / "exhibits.md", x.page(x.default(root)).encode())


@app.command()
def evidence(
    root: Root = Path(),
    claims: Annotated[Path, typer.Option(help="folder of the claims files")] = Path("claims"),
) -> None:
    """Write reports/README.md and reports/evidence from the records that the repository carries."""
    from redoubt.reports import carried

    for path in carried.write(root, claims, root / "reports"):
        print(path)


@app.command()
def recorded(root: Root = Path()) -> None:
    """Print a config.yaml of every study that the repository carries, each from its results: nothing is trained.

    That of the most records comes first, for the front page is of the first study.
    """
    import json

    from redoubt.records.shipped import LEDGER, ledger

    held = ledger(root)["studies"]
    studies = sorted(held, key=lambda name: -len(held[name]["records"]))
    if not studies:
        raise RedoubtError("no study is recorded", file=root / LEDGER, hint="redoubt ship STUDY")
    print(
        json.dumps(
            {"studies": {name: {"start_from": "results"} for name in studies}, "mirror": None}, indent=1
        )
    )
