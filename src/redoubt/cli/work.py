"""Commands that make evidence: images, weights, attacked images, and what travels between machines."""

from pathlib import Path
from typing import Annotated

import typer

from redoubt.cli.options import Again, Device, Root, RunPath, Seeds, StudyName, Threads, device_of, seeds_of

app = typer.Typer()


@app.command()
def prepare(
    study: StudyName,
    root: Root = Path(),
    mirror: Annotated[Path | None, typer.Option(help="folder looked at before the network")] = None,
) -> None:
    """Fetch, check, split: one array file a split under data/STUDY."""
    from redoubt.config import images, load_config, load_study
    from redoubt.config.load import study_file
    from redoubt.workflow import locks

    spec = load_study(study_file(root, study))
    source = mirror or load_config(root / "config.yaml").mirror
    with locks.held(root, f"prepare/{study}"):
        images.prepare(root, spec, source)


@app.command()
def train(
    run: RunPath,
    root: Root = Path(),
    threads: Threads = 1,
    device: Device = "auto",
    seed: Seeds = None,
    again: Again = False,
) -> None:
    """Train every seed of a variant: best and last weights and a record each; what is finished is left as it is."""
    from redoubt.config import find_run
    from redoubt.config.images import images_of
    from redoubt.config.load import mirror_of
    from redoubt.workflow import locks, units
    from redoubt.workflow.rehearsal import rehearse

    where = device_of(device, threads)
    study, variant = find_run(root, run)
    dataset = images_of(root, study)
    seeds = seeds_of(variant, seed)
    rehearse(root, study, variant)
    for s in seeds:
        with locks.of_all(root, units.training(variant.run(s))):
            units.train(root, variant.run(s), dataset, where, mirror_of(root), again=again)


@app.command()
def attack(
    run: RunPath,
    root: Root = Path(),
    threads: Threads = 1,
    device: Device = "auto",
    seed: Seeds = None,
    again: Again = False,
) -> None:
    """Attack every seed of a variant with its study's suite: one result record each, unless it is there."""
    from redoubt.config import find_run, radius
    from redoubt.config.images import images_of
    from redoubt.workflow import locks, units

    where = device_of(device, threads)
    study, variant = find_run(root, run)
    dataset = images_of(root, study)
    with radius.meant(study):
        for s in seeds_of(variant, seed):
            with locks.held(root, units.attack(variant.run(s))):
                units.evaluate(root, study, variant.run(s), dataset, where, again=again)


@app.command()
def record(
    study: StudyName,
    root: Root = Path(),
    threads: Threads = 1,
    device: Device = "auto",
    minutes: Annotated[float, typer.Option(min=0, help="begin nothing that would end later")] = 9,
    out: Annotated[Path | None, typer.Option(help="folder that gets a parcel after every unit")] = None,
    weights: Annotated[bool, typer.Option(help="pack checkpoints and resume files too, at the end")] = False,
    runs: Annotated[
        list[str] | None,
        typer.Option("--run", help="a run or pattern, e.g. 'uiat/*'; several in their order [default: all]"),
    ] = None,
    mirror: Annotated[Path | None, typer.Option(help="folder looked at before the network")] = None,
) -> None:
    """Prepare, train and attack a study in order of value, killed and continued at any point; exit 4: not done."""
    from redoubt.workflow import record as r

    where = device_of(device, threads)
    if not r.record(
        root, study, where, minutes=minutes, out=out, weights=weights, mirror=mirror, runs=runs or ()
    ):
        raise typer.Exit(4)


@app.command()
def pack(
    study: StudyName,
    out: Annotated[Path, typer.Argument(help="folder of the parcel")],
    root: Root = Path(),
    weights: Annotated[bool, typer.Option(help="checkpoints and resume files too")] = False,
) -> None:
    """What of a study has to travel, in parts below 60 MiB with their hashes."""
    from redoubt.workflow import archive, locks

    with locks.held(root, f"pack/{study}"):
        print(archive.pack(root, study, out, weights=weights))


@app.command()
def unpack(
    listing: Annotated[Path, typer.Argument(help="STUDY.pack.json, its parts beside it")], root: Root = Path()
) -> None:
    """Put the files of a parcel where they belong; refuses one of which a bit was changed."""
    from redoubt.workflow import archive

    print(f"{len(archive.unpack(listing, root))} files")


@app.command()
def ship(
    study: StudyName,
    root: Root = Path(),
    megabytes: Annotated[float, typer.Option(min=0, help="of weights in the remote, over all studies")] = 40,
) -> None:
    """Put the records of a study that has run, hashes and its main weights where the repository carries them."""
    from redoubt.workflow import ship as s

    print(s.ship(root, study, megabytes).summary())
