"""Images, weights, result and training records, challenges: their own hashes, and whether they belong together."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from redoubt import data
from redoubt.audit import staleness
from redoubt.audit.findings import Finding, aged, name_of, run_of
from redoubt.config import load_config, load_study, resolve
from redoubt.errors import RedoubtError
from redoubt.records import challenges, results, shipped, trainings
from redoubt.records.files import read_record, sha256


def images(root: Path) -> Iterator[Finding]:
    """Every prepared data set: all its files against the hashes in its record."""
    for path in sorted(root.glob("data/*/record.json")):
        try:
            found = data.load(path.parent)
            others = staleness.of_images(root, path.parent.name, found.record)
            yield aged("images", name_of(root, path.parent), others)
        except RedoubtError as error:
            yield Finding("images", name_of(root, Path(error.file or path)), "bad", error.what)


def weights(root: Path) -> Iterator[Finding]:
    """Every training record against its own hash, its checkpoints, and today's settings and code."""
    hashed = {f"checkpoints/{x}" for x in shipped.ledger(root)["listed"]}
    for path in sorted(root.glob("checkpoints/*/*/*/seed*/record.json")):
        name = name_of(root, path)
        try:
            record = trainings.read(path)
        except RedoubtError as error:
            yield Finding("weights", name, "bad", error.what)
            continue
        for file, digest in record["files"].items():
            here = path.with_name(file)
            state = "absent" if not here.is_file() else "good" if sha256(here) == digest else "bad"
            if state == "absent" and name_of(root, here) in hashed:
                state = "listed"
            why = {"absent": "dvc pull", "bad": f"not the file that {name} describes"}.get(state, "")
            yield Finding("weights", name_of(root, here), state, why)
        place = "/".join(path.parts[-5:-1])
        if run_of(record) != place:
            yield Finding("weights", name, "bad", f"lies in another run's place: it is of {run_of(record)}")
        else:
            yield aged("weights", name, staleness.of_training(root, record))


def judged(root: Path) -> Iterator[Finding]:
    """Every result record: its own hash, bits against counts, the weights and images that it names, and the ledger."""
    hashes = shipped.hashes(shipped.ledger(root))
    for path in sorted(root.glob("results/*/*/*/seed*.json")):
        name = name_of(root, path)
        try:
            record = results.read(path, challenged=False)
        except RedoubtError as error:
            yield Finding("results", name, "bad", error.what)
            continue
        old = staleness.of_result(root, record)
        broken = _other_weights(root, record) + ([] if old else _other_images(root, record))
        old += _anew(path, hashes.get(name))
        yield Finding("results", name, "bad", "; ".join(broken)) if broken else aged("results", name, old)


def _anew(path: Path, recorded: str | None) -> list[str]:
    """Why a whole record is not the one that the repository carries; empty for one that it does not carry."""
    if recorded is None or sha256(path) == recorded:
        return []
    return [f"not the one that {shipped.LEDGER} lists: git checkout, or redoubt ship where it was made anew"]


def lost(root: Path) -> Iterator[Finding]:
    """The records that the repository carries and that are not here."""
    for name in shipped.hashes(shipped.ledger(root)):
        if not (root / name).is_file():
            kind = "trainings" if "/training/" in name else "results"
            yield Finding(kind, name, "absent", f"git checkout {name}")


def missing(root: Path) -> Iterator[Finding]:
    """The records that a study of config.yaml asks for and that are not there, where others of it are.

    What it was shipped without is left out, and what the repository carries: that is `lost`.
    """
    unfinished = shipped.ledger(root)
    carried = shipped.hashes(unfinished)
    for name, depth in _chosen(root).items():
        try:
            variants = resolve(load_study(root / "studies" / f"{name}.yaml"))
        except RedoubtError as error:
            yield Finding("results", f"studies/{name}.yaml", "bad", error.what)
            continue
        runs = {f"{v.path}/seed{s}": v for v in variants for s in v.seeds}
        left_out = {f"{name}/{run}" for run in shipped.missing(unfinished, name)}
        kinds = [("results", "results/{}.json", "redoubt attack")]
        if depth == "scratch":
            kinds.append(("weights", "checkpoints/{}/record.json", "dvc pull, or redoubt train"))
        for kind, file, again in kinds:
            here = {run for run in runs if (root / file.format(run)).is_file()}
            told = {run for run in runs if file.format(run) in carried}
            for run in sorted(runs.keys() - here - left_out - told) if here else ():
                why = f"missing beside {len(here)} finished ones: {again} {runs[run].path}"
                yield Finding(kind, file.format(run), "absent", why)


def _chosen(root: Path) -> dict[str, str]:
    """Study of config.yaml: how deep it is re-run."""
    try:
        return {name: s.start_from for name, s in load_config(root / "config.yaml").studies.items()}
    except RedoubtError:  # every other command says so
        return {}


def trained(root: Path) -> Iterator[Finding]:
    """Every training record beside results: its own hash, its place, the result's weights, and the ledger."""
    hashes = shipped.hashes(shipped.ledger(root))
    for path in sorted(root.glob("results/*/*/*/training/seed*.json")):
        name, result = name_of(root, path), path.parents[1] / path.name
        try:
            record = read_record(path, f"redoubt ship {path.parts[-5]}")
            used = results.read(result, challenged=False)["checkpoints"] if result.is_file() else {}
        except RedoubtError as error:
            yield Finding("trainings", name_of(root, Path(error.file or path)), "bad", error.what)
            continue
        if run_of(record) != "/".join((*path.parts[-5:-2], path.stem)):
            yield Finding("trainings", name, "bad", f"lies beside another run: it is of {run_of(record)}")
        elif any(record["files"].get(f"{w}.safetensors") != c["sha256"] for w, c in used.items()):
            yield Finding(
                "trainings", name, "stale", "the result beside it is of other weights: redoubt ship"
            )
        else:
            old = staleness.of_training(root, record)
            yield aged("trainings", name, old + _anew(path, hashes.get(name)))


def challenged(root: Path) -> Iterator[Finding]:
    """Every challenge: its own hash, the files that it rests on, and whether it is of the record's weights."""
    for path in sorted(root.glob("results/*/*/*/challenges/seed*.json")):
        name, result = name_of(root, path), path.parents[1] / f"{path.stem.partition('-')[0]}.json"
        try:
            challenge = challenges.read(path)
            why = (
                challenges.why_not(challenge, results.read(result, challenged=False))
                if result.is_file()
                else ""
            )
        except RedoubtError as error:
            yield Finding("challenges", name_of(root, Path(error.file or path)), "bad", error.what)
            continue
        if run_of(challenge) != "/".join((*path.parts[-5:-2], result.stem)):
            yield Finding("challenges", name, "bad", f"lies beside another run: it is of {run_of(challenge)}")
        else:
            yield Finding("challenges", name, "stale" if why else "good", why)


def _other_weights(root: Path, record: dict[str, Any]) -> list[str]:
    """Checkpoints whose recorded hash is not the one that the result was measured on."""
    found = []
    for which, used in record["checkpoints"].items():
        trained = root / Path(used["path"]).with_name("record.json")
        try:
            files = read_record(trained, "")["files"] if trained.is_file() else {}
        except RedoubtError:  # reported where the weights are verified
            continue
        if files and files.get(f"{which}.safetensors") != used["sha256"]:
            found.append(f"measured on other weights than {used['path']}")
    return found


def _other_images(root: Path, record: dict[str, Any]) -> list[str]:
    path = root / "data" / record["run"]["study"] / "record.json"
    try:
        prepared = data.load(path.parent, verify=False) if path.is_file() else None
    except RedoubtError:  # reported where the images are verified
        return []
    used = record["data"]
    if prepared is None or (prepared.sha256, prepared.record["splits"][used["split"]]["indices_sha256"]) == (
        used["sha256"],
        used["indices_sha256"],
    ):
        return []
    return [f"measured on other images than {name_of(root, path.parent)} holds"]
