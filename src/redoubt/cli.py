"""`redoubt`: what the Snakefile calls, and what a person can call by hand."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from redoubt.errors import RedoubtError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Re-runs, re-attacks and judges published defenses against adversarial examples.",
)


def _offer(words: str):
    """What TAB offers; imported when TAB is pressed."""

    def offered(context: typer.Context, incomplete: str) -> list[str]:
        from redoubt import completion

        return getattr(completion, f"complete_{words}")(context, incomplete)

    return offered


Root = Annotated[Path, typer.Option(help="folder with config.yaml, studies, data, checkpoints, results")]
Threads = Annotated[int, typer.Option(min=1, help="torch threads of this process")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda")]
RunPath = Annotated[
    str, typer.Argument(help="STUDY/DEFENSE/VARIANT, e.g. digits/pgd_at/main", autocompletion=_offer("run"))
]
StudyName = Annotated[
    str, typer.Argument(help="the study whose images are prepared", autocompletion=_offer("study"))
]
Seeds = Annotated[list[int] | None, typer.Option("--seed", help="only this seed; may be given again")]


def _device(name: str, threads: int) -> str:
    # Read by cuBLAS when it starts: without it, sums on a GPU may depend on timing.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch

    torch.set_num_threads(threads)
    # Equal seeds give equal bytes: no algorithm whose sums depend on timing.
    # Not use_deterministic_algorithms, which imports the compiler: 1.3 s of each process.
    torch.set_deterministic_debug_mode("warn")
    torch.backends.cudnn.benchmark = False
    # Full float32: with TF32, which torch allows by default in convolutions, a success may not be one.
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise RedoubtError("this machine has no usable GPU", key="--device", value=name, allowed="auto, cpu")
    return name


def _terminal():
    from rich.console import Console

    # Wide where the output is read by a program: no line of a table is cut.
    return Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else 200)


def _seeds(variant, asked: list[int] | None) -> list[int]:
    for seed in asked or ():
        if seed not in variant.seeds:
            raise RedoubtError(
                f"{variant.path} has no such seed", key="--seed", value=seed, allowed=variant.seeds
            )
    return list(asked or variant.seeds)


@app.command()
def prepare(
    study: StudyName,
    root: Root = Path(),
    mirror: Annotated[Path | None, typer.Option(help="folder looked at before the network")] = None,
) -> None:
    """Fetch, check, split: one array file a split under data/STUDY."""
    from redoubt import data
    from redoubt.config import load_config, load_study

    spec = load_study(root / "studies" / f"{study}.yaml").data
    mirror = mirror or load_config(root / "config.yaml").mirror
    data.prepare(
        spec.name,
        root / "data" / study,
        mirror=mirror,
        validation=spec.validation,
        test=spec.test,
        train=spec.train,
        image_size=spec.image_size,
    )


@app.command()
def train(
    run: RunPath, root: Root = Path(), threads: Threads = 1, device: Device = "auto", seed: Seeds = None
) -> None:
    """Train every seed of a variant: best and last weights and a record each."""
    from redoubt import data
    from redoubt.config import find_run
    from redoubt.training import Trainer

    where = _device(device, threads)
    study, variant = find_run(root, run)
    dataset = data.load(root / "data" / study.name)
    for s in _seeds(variant, seed):
        Trainer(root, variant.run(s), dataset, where).train()


@app.command()
def attack(
    run: RunPath, root: Root = Path(), threads: Threads = 1, device: Device = "auto", seed: Seeds = None
) -> None:
    """Attack every seed of a variant with its study's suite: one result record each."""
    from redoubt import data
    from redoubt.config import find_run
    from redoubt.evaluation import attack_run

    where = _device(device, threads)
    study, variant = find_run(root, run)
    dataset = data.load(root / "data" / study.name)
    for s in _seeds(variant, seed):
        attack_run(root, study, variant.run(s), dataset, where)


@app.command()
def record(
    study: StudyName,
    root: Root = Path(),
    threads: Threads = 1,
    device: Device = "auto",
    minutes: Annotated[float, typer.Option(min=0, help="begin nothing that would end later")] = 9,
    out: Annotated[Path | None, typer.Option(help="folder that gets a parcel after every unit")] = None,
    weights: Annotated[bool, typer.Option(help="pack checkpoints and resume files too, at the end")] = False,
    mirror: Annotated[Path | None, typer.Option(help="folder looked at before the network")] = None,
) -> None:
    """Prepare, train and attack a study in order of value, killed and continued at any point; exit 4: not done."""
    from redoubt import record as r

    where = _device(device, threads)
    if not r.record(root, study, where, minutes=minutes, out=out, weights=weights, mirror=mirror):
        raise typer.Exit(4)


@app.command()
def pack(
    study: StudyName,
    out: Annotated[Path, typer.Argument(help="folder of the parcel")],
    root: Root = Path(),
    weights: Annotated[bool, typer.Option(help="checkpoints and resume files too")] = False,
) -> None:
    """What of a study has to travel, in parts below 60 MiB with their hashes."""
    from redoubt import parcels

    print(parcels.pack(root, study, out, weights=weights))


@app.command()
def unpack(
    listing: Annotated[Path, typer.Argument(help="STUDY.pack.json, its parts beside it")], root: Root = Path()
) -> None:
    """Put the files of a parcel where they belong; refuses one of which a bit was changed."""
    from redoubt import parcels

    print(f"{len(parcels.unpack(listing, root))} files")


@app.command()
def audit(
    run: RunPath, root: Root = Path(), threads: Threads = 1, device: Device = "auto", seed: Seeds = None
) -> None:
    """Train and attack a variant anew under audits/ and judge its record; exit 3 where it does not hold."""
    from redoubt import audit as a
    from redoubt.config import find_run

    where = _device(device, threads)
    _, variant = find_run(root, run)
    report = a.audit(root, run, _seeds(variant, seed), where)
    print(a.summary(report))
    if report["verdict"] == "different":
        raise typer.Exit(3)


@app.command()
def verify(root: Root = Path()) -> None:
    """Check every hash in the ledger and the records; exit 1 where a file is not what was recorded."""
    from redoubt import verify as v

    found = v.verify(root)
    print(v.summary(found))
    if any(f.state == "bad" for f in found):
        raise typer.Exit(1)


@app.command()
def plan(
    targets: Annotated[
        list[str] | None, typer.Argument(help="default: all", autocompletion=_offer("target"))
    ] = None,
    root: Root = Path(),
    cores: Annotated[int, typer.Option(min=1, help="for the shortest time that it could take")] = 8,
) -> None:
    """What Snakemake would run, why, how long it takes and how much disk; nothing runs."""
    from redoubt import plan as p

    planned = p.jobs(root, targets or [])
    if planned:
        _terminal().print(p.table(planned))
    print(p.totals(planned, cores, root))


@app.command()
def show(run: RunPath, root: Root = Path()) -> None:
    """One run in the terminal: settings, epochs, attacks, checks, provenance; /seedN behind it for one seed."""
    from redoubt import show as s

    _terminal().print(s.render(root, run))


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
    from redoubt import tables as t

    t.write(t.build(results, records or [], exhibits, claims), out, listing)


@app.command()
def claims(
    results: Annotated[list[Path] | None, typer.Argument(help="default: every result record here")] = None,
    records: Annotated[list[Path] | None, typer.Option("--record", help="training records")] = None,
    folder: Annotated[Path, typer.Option(help="folder of the claims files")] = Path("claims"),
    out: Annotated[Path, typer.Option(help="the judged claims")] = Path("reports/claims.json"),
    paper: Annotated[str | None, typer.Option(help="print only the claims of this file, e.g. uiat")] = None,
) -> None:
    """Judge every claim of the papers on the records; the worst verdict comes first."""
    from redoubt.claims import report

    if not results:
        results, records = report.recorded(Path())
    rows = report.build(folder, results, records or [])
    report.write(rows, out)
    shown = report.of_paper(rows, paper, folder)
    terminal = _terminal()
    terminal.print(report.terminal(shown))
    terminal.print(report.counts(shown))


@app.command()
def site(
    results: Annotated[list[Path], typer.Argument(help="result records")],
    records: Annotated[list[Path] | None, typer.Option("--record", help="training records")] = None,
    reports: Annotated[Path, typer.Option(help="the folder with tables, figures, claims")] = Path("reports"),
) -> None:
    """The pages that open from disk, reports/index.html first, and what an archive has to know of them."""
    from redoubt import site as s

    s.write(reports, results, records or [])


@app.command()
def figures(
    folder: Annotated[Path, typer.Argument(help="folder of the figures")],
    listing: Annotated[Path, typer.Argument(help="the list to write")],
) -> None:
    """List every figure with its caption and hashes."""
    from redoubt import figures as f

    f.listing(folder, listing)


@app.command()
def exhibits(
    listing: Annotated[Path, typer.Argument(help="the list to write")] = Path("reports/exhibits.json"),
    root: Root = Path(),
) -> None:
    """List every table and figure of the papers: made by which study, or why not."""
    from redoubt import exhibits as x
    from redoubt.provenance import write_json
    from redoubt.workflow import Plan

    write_json(listing, x.listing(Plan(root).held))


@app.command()
def schema(root: Root = Path()) -> None:
    """Write studies/schema.json and the table of every defense's defaults, studies/defaults.md."""
    from redoubt import documentation

    documentation.write(root)


def main() -> None:
    """Entry point: an error that a user can act on is printed without a traceback."""
    try:
        sys.exit(app(standalone_mode=False) or 0)
    except RedoubtError as error:
        print(f"redoubt: {error}", file=sys.stderr)
        sys.exit(1)
    except (typer.Exit, SystemExit) as stop:
        sys.exit(getattr(stop, "exit_code", getattr(stop, "code", 0)))
    except typer.Abort:
        sys.exit(130)
    except Exception as error:
        if hasattr(error, "format_message"):  # click's usage errors
            print(f"redoubt: {error.format_message()}", file=sys.stderr)
            sys.exit(2)
        raise
