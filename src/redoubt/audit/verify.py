"""`redoubt verify`: every hash that the ledger and the records hold against the files that are here.

bad     a file is not what was recorded: changed, cut short, or swapped. The command then exits with 1.
stale   whole, but made with other settings or code than today's, where Snakemake would make it again, or anew since
        it was shipped.
absent  recorded and not here: `dvc pull` or `git checkout` brings it; or not there beside the finished records of its
        study.
listed  recorded and not here, and its hash is all that the repository carries: it is counted, and not named.

A hash shows damage and careless editing, not a forger who writes new hashes too: that takes `redoubt audit`, or the
history of the repository.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redoubt import data
from redoubt.audit import staleness
from redoubt.config import load_config, load_study, resolve
from redoubt.config.load import read_yaml
from redoubt.errors import RedoubtError
from redoubt.records import challenges, crate_seal, results, shipped, trainings
from redoubt.records.files import is_whole, read_json, read_record, sha256


@dataclass(frozen=True)
class Finding:
    """What is known of one file: `state` is good, bad, stale, absent or listed, and `why` says what is wrong."""

    kind: str
    file: str
    state: str
    why: str = ""


def verify(root: Path) -> list[Finding]:
    """Every finding: ledger, images, weights, results, missing, trainings, lost, challenges, reports, audits."""
    staleness.forget()
    parts = (ledger, images, weights, judged, missing, trained, lost, challenged, reports, audits)
    return [finding for part in parts for finding in part(root)]


def ledger(root: Path) -> Iterator[Finding]:
    """What `dvc.lock` lists: files by their md5, folders by the md5 of their listing."""
    path = root / "dvc.lock"
    if not path.is_file():
        yield Finding("ledger", "dvc.lock", "absent", "nothing is recorded with DVC yet: redoubt ship STUDY")
        return
    try:
        stages = read_yaml(path)["stages"].values()
        outs = [(out["path"], out["md5"]) for stage in stages for out in stage.get("outs", ())]
        if wrong := [name for name, md5 in outs if not (isinstance(name, str) and isinstance(md5, str))]:
            raise TypeError(f"no path and md5 of {wrong[0]}")
        told = shipped.ledger(root)
        hashed = {*(f"data/{x}" for x in told["images"]), *(f"checkpoints/{x}" for x in told["listed"])}
    except (RedoubtError, KeyError, TypeError, AttributeError) as error:
        yield Finding("ledger", "dvc.lock", "bad", f"this is not a ledger: {error}")
        return
    for name, recorded in outs:
        here = root / name
        if not here.exists():
            yield Finding("ledger", name, *(("listed",) if name in hashed else ("absent", "dvc pull")))
        elif dvc_md5(here) == recorded:
            yield Finding("ledger", name, "good")
        else:
            yield Finding("ledger", name, "bad", f"not what dvc.lock records{_named(root, here, recorded)}")


def dvc_md5(path: Path) -> str:
    """DVC's hash of a file or folder."""
    return _folder_md5(path) if path.is_dir() else _md5(path)


def _md5(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def _folder_md5(folder: Path) -> str:
    """DVC's hash of a folder: of the JSON list of its files by relative path."""
    rows = [{"md5": m, "relpath": p} for p, m in sorted(_listing(folder).items())]
    return f"{hashlib.md5(json.dumps(rows, sort_keys=True).encode()).hexdigest()}.dir"


def _listing(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): _md5(p) for p in folder.rglob("*") if p.is_file()}


def _named(root: Path, here: Path, recorded: str) -> str:
    """Which files of a folder differ, where DVC's cache still holds the recorded listing."""
    listed = root / ".dvc" / "cache" / "files" / "md5" / recorded[:2] / recorded[2:]
    if not here.is_dir() or not listed.is_file():
        return ""
    old, new = {r["relpath"]: r["md5"] for r in json.loads(listed.read_text())}, _listing(here)
    return ": " + ", ".join(sorted(p for p in {*old, *new} if old.get(p) != new.get(p)))


def images(root: Path) -> Iterator[Finding]:
    """Every prepared data set: all its files against the hashes in its record."""
    for path in sorted(root.glob("data/*/record.json")):
        try:
            found = data.load(path.parent)
            others = staleness.of_images(root, path.parent.name, found.record)
            yield _aged("images", _name(root, path.parent), others)
        except RedoubtError as error:
            yield Finding("images", _name(root, Path(error.file or path)), "bad", error.what)


def weights(root: Path) -> Iterator[Finding]:
    """Every training record against its own hash, its checkpoints, and today's settings and code."""
    hashed = {f"checkpoints/{x}" for x in shipped.ledger(root)["listed"]}
    for path in sorted(root.glob("checkpoints/*/*/*/seed*/record.json")):
        name = _name(root, path)
        try:
            record = trainings.read(path)
        except RedoubtError as error:
            yield Finding("weights", name, "bad", error.what)
            continue
        for file, digest in record["files"].items():
            here = path.with_name(file)
            state = "absent" if not here.is_file() else "good" if sha256(here) == digest else "bad"
            if state == "absent" and _name(root, here) in hashed:
                state = "listed"
            why = {"absent": "dvc pull", "bad": f"not the file that {name} describes"}.get(state, "")
            yield Finding("weights", _name(root, here), state, why)
        place = "/".join(path.parts[-5:-1])
        if _run(record) != place:
            yield Finding("weights", name, "bad", f"lies in another run's place: it is of {_run(record)}")
        else:
            yield _aged("weights", name, staleness.of_training(root, record))


def judged(root: Path) -> Iterator[Finding]:
    """Every result record: its own hash, bits against counts, the weights and images that it names, and the ledger."""
    hashes = shipped.hashes(shipped.ledger(root))
    for path in sorted(root.glob("results/*/*/*/seed*.json")):
        name = _name(root, path)
        try:
            record = results.read(path, challenged=False)
        except RedoubtError as error:
            yield Finding("results", name, "bad", error.what)
            continue
        aged = staleness.of_result(root, record)
        broken = _other_weights(root, record) + ([] if aged else _other_images(root, record))
        aged += _anew(path, hashes.get(name))
        yield Finding("results", name, "bad", "; ".join(broken)) if broken else _aged("results", name, aged)


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
        name, result = _name(root, path), path.parents[1] / path.name
        try:
            record = read_record(path, f"redoubt ship {path.parts[-5]}")
            used = results.read(result, challenged=False)["checkpoints"] if result.is_file() else {}
        except RedoubtError as error:
            yield Finding("trainings", _name(root, Path(error.file or path)), "bad", error.what)
            continue
        if _run(record) != "/".join((*path.parts[-5:-2], path.stem)):
            yield Finding("trainings", name, "bad", f"lies beside another run: it is of {_run(record)}")
        elif any(record["files"].get(f"{w}.safetensors") != c["sha256"] for w, c in used.items()):
            yield Finding(
                "trainings", name, "stale", "the result beside it is of other weights: redoubt ship"
            )
        else:
            aged = staleness.of_training(root, record)
            yield _aged("trainings", name, aged + _anew(path, hashes.get(name)))


def challenged(root: Path) -> Iterator[Finding]:
    """Every challenge: its own hash, the files that it rests on, and whether it is of the record's weights."""
    for path in sorted(root.glob("results/*/*/*/challenges/seed*.json")):
        name, result = _name(root, path), path.parents[1] / f"{path.stem.partition('-')[0]}.json"
        try:
            challenge = challenges.read(path)
            why = (
                challenges.why_not(challenge, results.read(result, challenged=False))
                if result.is_file()
                else ""
            )
        except RedoubtError as error:
            yield Finding("challenges", _name(root, Path(error.file or path)), "bad", error.what)
            continue
        if _run(challenge) != "/".join((*path.parts[-5:-2], result.stem)):
            yield Finding("challenges", name, "bad", f"lies beside another run: it is of {_run(challenge)}")
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
    return [f"measured on other images than {_name(root, path.parent)} holds"]


def reports(root: Path) -> Iterator[Finding]:
    """The tables and figures that the two lists name, then every other file that the pages came with."""
    known: set[str] = set()
    for listing, key, place in (("all_tables", "tables", "table"), ("all_figures", "figures", "figure")):
        path = root / "reports" / listing
        if not path.is_file():
            continue
        try:
            content = read_json(path, f"snakemake reports/{listing}")
            if "sha256" in content and not is_whole(path.read_bytes()):
                raise RedoubtError("it does not match its own hash")
            listed = {f"{e[place]}.{kind}": h for e in content[key] for kind, h in e["sha256"].items()}
        except (RedoubtError, KeyError, TypeError, AttributeError) as error:
            yield Finding("reports", _name(root, path), "bad", f"this is not a list of {key}: {error}")
            continue
        for name, digest in listed.items():
            here = root / "reports" / key / name
            known.add(f"{key}/{name}")
            state = "absent" if not here.is_file() else "good" if sha256(here) == digest else "bad"
            why = {
                "absent": f"snakemake reports/{listing}",
                "bad": f"not the file that reports/{listing} lists",
            }
            yield Finding("reports", _name(root, here), state, why.get(state, ""))
    yield from _pages(root, known)


def _pages(root: Path, known: set[str]) -> Iterator[Finding]:
    """What the description of the folder lists: pages, their copies of records, notebooks, claims and lists."""
    path, again = root / "reports" / crate_seal.NAME, "snakemake reports/index.html"
    if not path.is_file():
        return
    content = path.read_bytes()
    if not crate_seal.is_whole(content):
        yield Finding("reports", _name(root, path), "bad", "it does not match its own hash")
        return
    yield Finding("reports", _name(root, path), "good")
    for name, digest in crate_seal.files(content).items():
        here = root / "reports" / name
        if name in known:
            continue
        if not here.is_file():
            yield Finding("reports", _name(root, here), "absent", again)
        elif sha256(here) == digest:
            yield Finding("reports", _name(root, here), "good")
        elif is_whole(here.read_bytes()):  # a list that carries its own hash was made since
            yield Finding("reports", _name(root, here), "stale", f"the pages are of an earlier one: {again}")
        else:
            why = f"not the file that {crate_seal.NAME} lists; where it was made anew: {again}"
            yield Finding("reports", _name(root, here), "bad", why)


def audits(root: Path) -> Iterator[Finding]:
    """The verdicts of audits against their own hash."""
    for path in sorted(root.glob("audits/*/*/*/audit.json")):
        try:
            read_record(path, "redoubt audit")
            yield Finding("audits", _name(root, path), "good")
        except RedoubtError as error:
            yield Finding("audits", _name(root, path), "bad", error.what)


def _name(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def _run(record: dict[str, Any]) -> str:
    run = record["run"]
    return f"{run['study']}/{run['defense']}/{run['variant']}/seed{run['seed']}"


def _aged(kind: str, name: str, aged: list[str]) -> Finding:
    return Finding(kind, name, "stale" if aged else "good", "; ".join(aged))


def summary(findings: list[Finding]) -> str:
    """What is not good, a line each, and how many files of each kind are in which state."""
    lines = [f"{f.state:7}{f.file}: {f.why}" for f in findings if f.state not in ("good", "listed")]
    counts = Counter((f.kind, f.state) for f in findings)
    for kind in dict.fromkeys(f.kind for f in findings):
        states = [
            f"{counts[kind, s]} {s}" for s in ("good", "stale", "absent", "listed", "bad") if counts[kind, s]
        ]
        lines.append(f"{kind}: {', '.join(states)}")
    return "\n".join(lines or ["nothing is recorded here yet"])
