"""`redoubt audit STUDY/DEFENSE/VARIANT`: one ablation made anew in audits/, and held against its record.

Writes `audits/STUDY/DEFENSE/VARIANT/audit.json` (the verdict and everything it rests on) and `audit.md` (the same to
read), beside the weights and result records that it made. Nothing outside that folder is written. Runs that the
variant starts from, or whose gradients are transferred to it, are trained anew too: a verdict rests on no recorded
weights, unless it was asked for on them (`--weights recorded`: they are attacked anew, nothing is trained). Of a study
without recorded weights, the hashes inside its training and result records are what the new ones are held against.
"""

import os
import shutil
import time
from pathlib import Path
from typing import Any

from redoubt.audit import differences
from redoubt.config import Run, Study, Variant, attacks_of, find_run, radius
from redoubt.config.images import images_of
from redoubt.config.load import mirror_of
from redoubt.errors import RedoubtError
from redoubt.evaluation.evaluator import attack_run
from redoubt.evaluation.settings import path_of
from redoubt.records import results
from redoubt.records.files import read_record, sha256, write_record, write_whole
from redoubt.records.provenance import provenance
from redoubt.records.shipped import training_file
from redoubt.training.adoption import training_of
from redoubt.training.checkpoints import Checkpoints

JUDGED = ("attack", "checkpoint", "view", "surrogate", "role", "norm", "eps", "params", "seed", "n")
TRAINED = {
    True: "Trained and attacked anew.",
    False: "The recorded weights attacked anew; nothing was trained.",
}
IMAGES = ("name", "sha256", "indices_sha256", "n")


def folder(root: Path, run: str) -> Path:
    """Where the audit of `study/defense/variant` lies; it is laid out as a project is."""
    return root / "audits" / run


def audit(root: Path, run: str, seeds: list[int], device: str, *, train: bool = True) -> dict[str, Any]:
    """Trains and attacks a variant anew, compares, writes and returns the verdict.

    Args:
        train: False attacks the recorded weights.

    Raises:
        RedoubtError: nothing is recorded for the variant, a record was changed, or the images are not prepared;
            without training, weights are not here, or not the recorded ones.
    """
    started = time.time()
    study, variant = find_run(root, run)
    recorded = {s: results.read(_result(root, variant.run(s)), challenged=False) for s in seeds}
    needed = needs(study, variant, seeds, starts=train)
    trained = {r.path: weights_record(root, r) for r in needed}
    dataset = images_of(root, study)
    where = _anew(folder(root, run))
    (where / "studies").mkdir(parents=True, exist_ok=True)
    shutil.copy(root / "studies" / f"{study.name}.yaml", where / "studies")
    for r in needed:
        if train:
            training_of(where, r, dataset, device, mirror_of(root)).train()
        else:
            _bring(root, where, r)
    with radius.meant(study):
        for s in seeds:
            attack_run(where, study, variant.run(s), dataset, device)
    audited = {s: results.read(path_of(where, variant.run(s))) for s in seeds}
    anew = {path: weights_record(where, r) for path, r in zip(trained, needed, strict=True)}
    found = compare(recorded, audited, trained, anew)
    tidy = [results.frame([path_of(at, variant.run(s)) for s in seeds], False) for at in (root, where)]
    found["evaluations"] = differences.evaluations(*tidy)
    word, why = differences.verdict(found)
    report = {
        "schema": 1, "run": run, "seeds": seeds, "verdict": word, "why": why, "trained": train,
        "margin_points": 100 * differences.MARGIN, "compared_with": _sources(root, variant, seeds, trained), **found,
        "recorded_commit": recorded[seeds[0]]["provenance"]["commit"], "provenance": provenance(started, device),
    }  # fmt: skip
    write_record(where / "audit.json", report)
    write_whole(where / "audit.md", summary(report).encode())
    _put_in_place(where, folder(root, run))
    return report


def _anew(place: Path) -> Path:
    """Where an audit is made: beside the earlier one, which stays until this one is whole.

    What an interrupted one left of a training is gone on with.
    """
    where = place.with_name(f".{place.name}.anew")
    for path in sorted(where.rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
        elif path.is_file() and path.name != "resume.pt":
            path.unlink()
    return where


def _put_in_place(made: Path, place: Path) -> None:
    """The audit takes the place of the earlier one."""
    earlier = place.with_name(f".{place.name}.earlier")
    shutil.rmtree(earlier, ignore_errors=True)
    if place.exists():
        os.rename(place, earlier)
    os.rename(made, place)
    shutil.rmtree(earlier, ignore_errors=True)


def _bring(root: Path, where: Path, run: Run) -> None:
    """Copies what is recorded of a run's weights into the audit; the hashes were compared when it was read."""
    kept = Checkpoints(root, run)
    files = [kept.path("best"), kept.record_file]
    for file in files:
        if not file.is_file():
            raise RedoubtError("the recorded weights are not here", file=file, hint="dvc pull, or redoubt audit "
                               f"{run.of.path}, which trains them anew")  # fmt: skip
    to = Checkpoints(where, run).folder
    to.mkdir(parents=True, exist_ok=True)
    for file in [*files, *filter(Path.is_file, [kept.path("last")])]:
        shutil.copy(file, to)


def needs(study: Study, variant: Variant, seeds: list[int], starts: bool = True) -> list[Run]:
    """The runs whose weights these seeds of a variant take, each after those that it needs.

    Args:
        starts: also those that a training starts from.
    """
    found: dict[str, Run] = {}

    def add(run: Run) -> None:
        if starts and run.of.starts_from:
            _, start = _named(study, run.of.starts_from)
            add(start.run(run.seed))
        found.setdefault(run.path, run)

    for seed in seeds:
        add(variant.run(seed))
        for spec in attacks_of(study, variant, seed).values():
            if spec.surrogate:
                _, other = _named(study, spec.surrogate)
                add(other.run(other.seeds[0]))
    return list(found.values())


def _named(study: Study, name: str) -> tuple[Study, Variant]:
    from redoubt.config import resolve

    return study, next(v for v in resolve(study) if v.name == name)


def _result(root: Path, run: Run) -> Path:
    path = path_of(root, run)
    if not path.is_file():
        raise RedoubtError(
            "nothing is recorded to audit", file=path, hint=f"snakemake --cores 1 {path.relative_to(root)}"
        )
    return path


def weights_record(root: Path, run: Run) -> dict[str, Any] | None:
    """What is recorded of a run's training: from its training record, else from its result record, else None.

    Raises:
        RedoubtError: a file is not what its record says, or the two records speak of different weights.
    """
    kept, result = Checkpoints(root, run), path_of(root, run)
    trained = training_file(root, run.of.path, run.seed)
    judged = results.read(result, challenged=False) if result.is_file() else None
    record = read_record(trained, kept.again) if trained.is_file() else None
    hashed = (
        {f"{which}.safetensors": c["sha256"] for which, c in judged["checkpoints"].items()} if judged else {}
    )
    if record is None:
        return {"file": result, "files": hashed, "config": judged["config"], "history": None,
                **judged["training"]} if judged else None  # fmt: skip
    for name, digest in record["files"].items():
        here = kept.folder / name
        if here.is_file() and sha256(here) != digest:
            raise RedoubtError("this checkpoint is not the one that its record describes", file=here,
                               value=sha256(here), allowed=digest,
                               hint=f"rm -r .dvc/cache {here}; make pull")  # fmt: skip
        if hashed.get(name, digest) != digest:
            raise RedoubtError("this result is of other weights than the recorded ones", file=result,
                               key=f"checkpoints.{name}", value=hashed[name], allowed=digest,
                               hint=f"redoubt attack {run.of.path}")  # fmt: skip
    return {
        "file": trained,
        **{k: record[k] for k in ("files", "config", "history", "fingerprint", "provenance")},
    }


def compare(recorded: dict, audited: dict, trained: dict, anew: dict) -> dict[str, Any]:
    """What differs between records of equal runs: by seed the results, by path the trainings."""
    known = {path: t for path, t in trained.items() if t}
    pairs = [(recorded[s], audited[s]) for s in recorded]
    trainings = [(known[path], anew[path]) for path in known]
    configs = [(old["config"], new["config"]) for old, new in trainings]
    return {
        "weights": [row for path in known for row in differences.weights(path, known[path], anew[path])],
        "epochs": {path: differences.epochs(known[path], anew[path]) for path in known},
        "told": _rows(_each(pairs, _told)),
        "checks": _rows(_each(pairs, lambda r: {c["name"]: [c["value"], c["passed"]] for c in r["checks"]})),
        "differs": {
            "settings": _rows(configs + _each(pairs, _settings)),
            "data": _rows(_each(pairs, lambda r: {k: r["data"][k] for k in IMAGES})),
            "code": sorted({
                file
                for old, new in [*trainings, *pairs]
                for file in differences.modules(old["fingerprint"], new["fingerprint"])
            }),
            "environment": _rows(_each(trainings + pairs, lambda r: differences.environment(r["provenance"]))),
        },
    }  # fmt: skip


def _settings(record: dict[str, Any]) -> dict[str, Any]:
    faced = {e["name"]: {k: e[k] for k in JUDGED} for e in record["evaluations"]}
    return {**record["config"], "evaluation": record["fingerprint"]["config"], "attacks": faced}


def _told(record: dict[str, Any]) -> dict[str, Any]:
    """What else the rows say of their attacks, but how long they took; the bits are compared on their own."""
    kept = ("info", "forward", "backward")
    return {e["name"]: _untimed({k: e.get(k) for k in kept}) for e in record["evaluations"]}


def _untimed(content: Any) -> Any:
    if isinstance(content, dict):
        return {k: _untimed(v) for k, v in content.items() if k != "seconds"}
    return [_untimed(v) for v in content] if isinstance(content, list) else content


def _each(pairs: list[tuple[dict, dict]], part) -> list[tuple[dict, dict]]:
    return [(part(old), part(new)) for old, new in pairs]


def _rows(pairs: list[tuple[dict, dict]]) -> list[dict[str, Any]]:
    """The differences of all pairs, each once."""
    found = [row for old, new in pairs for row in differences.changed(old, new)]
    return list({str(row): row for row in found}.values())


def _sources(root: Path, variant: Variant, seeds: list[int], trained: dict) -> list[dict[str, str]]:
    files = [path_of(root, variant.run(s)) for s in seeds] + [t["file"] for t in trained.values() if t]
    return [{"file": f.relative_to(root).as_posix(), "sha256": sha256(f)} for f in dict.fromkeys(files)]


def summary(report: dict[str, Any]) -> str:
    """The audit as Markdown."""
    seeds, why = ", ".join(map(str, report["seeds"])), report["why"][0].upper() + report["why"][1:]
    lines = [
        f"# {report['run']}: {report['verdict']}",
        "",
        f"{why}. Seeds: {seeds}. {TRAINED[report['trained']]}",
        "",
    ]
    lines += [
        "| evaluation | role | images | recorded % | audited % | images that differ | difference, points |"
    ]
    lines += ["| --- | --- | --- | --- | --- | --- | --- |"]
    for e in report["evaluations"]:
        if not e["comparable"]:
            lines.append(f"| {e['name']} | {e['role']} | not the same evaluation | | | | |")
            continue
        cells = [e["name"], e["role"], f"{len(e['seeds'])} x {e['n']}", f"{100 * e['recorded']:.2f}",
                 f"{100 * e['audited']:.2f}", str(e["disagreements"]),
                 f"{100 * e['difference']:+.2f} [{100 * e['low']:+.2f}, {100 * e['high']:+.2f}]"]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "Weights:", ""]
    for w in report["weights"]:
        lines.append(f"- {w['run']}/{w['file']}: {'the same bytes' if w['same'] else 'other bytes'}")
    for path, found in report["epochs"].items():
        words = "not recorded here" if found is None else f"{len(found)} epochs differ" if found else "equal"
        lines.append(f"- {path}, training metrics: {words}")
    lines += ["", "What differs:", ""]
    rows = [f"- {kind}: {r['key']}: {r['recorded']} -> {r['audited']}"
            for kind in ("settings", "data", "environment") for r in report["differs"][kind]]  # fmt: skip
    rows += [f"- code: {file}" for file in report["differs"]["code"]]
    rows += [f"- told by the attack: {r['key']}" for r in report["told"]]
    rows += [f"- check: {r['key']}: {r['recorded']} -> {r['audited']}" for r in report["checks"]]
    commits = report["recorded_commit"], report["provenance"]["commit"]
    if all(commits) and commits[0] != commits[1]:
        rows.append(f"- commit: `git diff {commits[0][:12]} {commits[1][:12]} -- src studies`")
    return "\n".join([*lines, *(rows or ["- nothing"]), ""])
