"""Commands that look at evidence: judge it anew, check its hashes, say what is missing, show a run."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from redoubt.cli.options import Device, Root, RunPath, Seeds, Threads, device_of, offer, seeds_of, terminal

app = typer.Typer()


class Weights(StrEnum):
    """Whose weights an audit attacks."""

    ANEW = "anew"
    RECORDED = "recorded"


@app.command()
def audit(
    run: RunPath,
    root: Root = Path(),
    threads: Threads = 1,
    device: Device = "auto",
    seed: Seeds = None,
    weights: Annotated[
        Weights, typer.Option(help="anew: trained; recorded: those that are here")
    ] = Weights.ANEW,
) -> None:
    """Train and attack a variant anew under audits/ and judge its record; exit 3 where it does not hold."""
    from redoubt.audit import rerun as a
    from redoubt.audit import sample
    from redoubt.config import find_run

    where = device_of(device, threads)
    _, variant = find_run(root, run)
    seeds = seeds_of(variant, seed or sample.recorded_seeds(root, variant))
    report = a.audit(root, run, seeds, where, train=weights is Weights.ANEW)
    print(a.summary(report))
    if report["verdict"] == "different":
        raise typer.Exit(3)


@app.command("audit-sample")
def audit_sample(
    n: Annotated[int, typer.Option(min=1, help="runs")] = 5,
    seed: Annotated[int, typer.Option(help="of the draw")] = 0,
    study: Annotated[list[str] | None, typer.Option(help="only of this study; may be given again")] = None,
    root: Root = Path(),
    threads: Threads = 1,
    device: Device = "auto",
) -> None:
    """Audit a random sample of the recorded runs; exit 3 where a record does not hold."""
    from redoubt.audit import sample

    found = sample.audit(root, n, seed, device_of(device, threads), study or [])
    print(sample.summary(found, seed))
    if any(row["verdict"] == "different" for row in found):
        raise typer.Exit(3)


@app.command()
def verify(root: Root = Path()) -> None:
    """Check every hash in the ledger and the records; exit 1 where a file is not what was recorded."""
    from redoubt.audit import verify as v

    found = v.verify(root)
    print(v.summary(found))
    if any(f.state == "bad" for f in found):
        raise typer.Exit(1)


@app.command()
def plan(
    targets: Annotated[
        list[str] | None, typer.Argument(help="default: all", autocompletion=offer("target"))
    ] = None,
    root: Root = Path(),
    cores: Annotated[int, typer.Option(min=1, help="for the shortest time that it could take")] = 8,
) -> None:
    """What Snakemake would run, why, how long it takes and how much disk; nothing runs."""
    from redoubt.workflow import plan as p

    planned = p.jobs(root, targets or [])
    if planned:
        terminal().print(p.table(planned))
    print(p.totals(planned, cores, root))


@app.command()
def show(run: RunPath, root: Root = Path()) -> None:
    """One run in the terminal: settings, epochs, attacks, checks, provenance; /seedN behind it for one seed."""
    from redoubt.reports import terminal as s

    terminal().print(s.render(root, run))
