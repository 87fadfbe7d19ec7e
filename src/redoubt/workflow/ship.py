"""`redoubt ship STUDY`: puts the evidence of a study that has run where the repository carries it.

- `results/STUDY/DEFENSE/VARIANT/training/seedN.json`: the training record, byte for byte, beside the result record
- `results/shipped.json`: the hash of every record, the runs that are missing, and what DVC is to keep
- `dvc.lock`: the hashes of images and weights
- the default DVC remote: what an attack needs of the main variants and of the models whose gradients they borrow, as
  many of them as fit: those with a result first, then the smallest

Run twice it changes nothing. What an earlier call shipped of weights that are no longer here stays listed.
"""

import configparser
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from redoubt.audit.dvc_ledger import dvc_md5
from redoubt.config import Study, Variant, attacked_files, attacks_of, load_study, resolve
from redoubt.config.load import read_yaml, study_file
from redoubt.errors import RedoubtError
from redoubt.records import results
from redoubt.records.files import read_record, sha256, write_json, write_whole
from redoubt.records.shipped import LEDGER, copy_of_training, empty, ledger, training_file

LISTS = ("images", "carried", "listed")  # of the ledger, and the stages of dvc.yaml that are made of them


@dataclass(frozen=True)
class Shipment:
    """What of a study lies in the repository now.

    Attributes:
        runs, missing: seeds with a result record, and those without (`defense/variant/seedN`).
        untold: runs without a training record.
        carried: variants whose weights the remote holds.
        left: main variants whose weights did not fit.
        records, weights: bytes of the study's records, and of all weights that the remote holds.
    """

    study: str
    runs: list[str]
    missing: list[str]
    untold: list[str]
    carried: list[str]
    left: list[str]
    records: int
    weights: int

    def summary(self) -> str:
        """In sentences."""
        lines = [
            f"{self.study}: {len(self.runs)} runs, {self.records / 1e6:.1f} MB of records",
            f"weights carried: {', '.join(self.carried) or 'none'}; {self.weights / 1e6:.1f} MB in the remote",
        ]
        lines += [f"weights of main variants that did not fit: {', '.join(self.left)}"] if self.left else []
        lines += [f"without a training record: {', '.join(self.untold)}"] if self.untold else []
        lines += [f"missing: {len(self.missing)} runs, named in {LEDGER}"] if self.missing else []
        return "\n".join(lines)


def ship(root: Path, study: str, megabytes: float = 40) -> Shipment:
    """Ships what is here of a study.

    Args:
        megabytes: of weights, over all studies, that the remote may hold.

    Raises:
        RedoubtError: nothing of the study is recorded, a record was changed or is of other weights than its training
            record, or the default DVC remote lies elsewhere.
    """
    spec = load_study(study_file(root, study))
    variants, told = resolve(spec), ledger(root)
    records, missing = _records(root, variants)
    if not records:
        raise RedoubtError("nothing is recorded of this study", value=study, hint=f"redoubt record {study}")
    others = {k: v for k, v in told["studies"].items() if k != study}
    load = _load(root, spec, variants, missing, told, 1e6 * megabytes)
    kept = {k: [x for x in told[k] if not _of(x, study)] for k in LISTS}
    images = [study] if (root / "data" / study / "record.json").is_file() or study in told["images"] else []
    held = {"missing": missing, "records": records}
    content = {
        **empty(),
        "images": sorted([*kept["images"], *images]),
        "carried": sorted([*kept["carried"], *load.carried]),
        "listed": sorted([*kept["listed"], *load.listed]),
        "studies": dict(sorted({**others, study: held}.items())),
    }
    write_json(root / LEDGER, content)
    _keep(root, content, study)
    files = [root / "results" / study / f"{run}.json" for run in records]
    files += [
        copy_of_training(root, *_split(study, run)) for run, held in records.items() if held["training"]
    ]
    return Shipment(
        study=study, runs=list(records), missing=missing, untold=[r for r, h in records.items() if not h["training"]],
        carried=list(dict.fromkeys(_name(x) for x in load.carried)), left=load.left,
        records=sum(f.stat().st_size for f in files), weights=load.size,
    )  # fmt: skip


def _split(study: str, run: str) -> tuple[str, int]:
    name, _, seed = run.rpartition("/seed")
    return f"{study}/{name}", int(seed)


def _records(root: Path, variants: list[Variant]) -> tuple[dict[str, dict[str, str | None]], list[str]]:
    """Hashes by `defense/variant/seedN`, training records copied beside the results; and the runs without a result."""
    found: dict[str, dict[str, str | None]] = {}
    absent = []
    for v in variants:
        for seed in v.seeds:
            result, name = root / "results" / v.path / f"seed{seed}.json", f"{v.name}/seed{seed}"
            if not result.is_file():
                absent.append(name)
                continue
            judged = results.read(result, challenged=False)
            found[name] = {"result": sha256(result), "training": _training(root, v, seed, judged)}
    return found, absent


def _training(root: Path, v: Variant, seed: int, judged: dict[str, Any]) -> str | None:
    """The hash of the training record, which is copied beside the result; None where it is not here."""
    held, copy = training_file(root, v.path, seed), copy_of_training(root, v.path, seed)
    if not held.is_file():
        return None
    trained = read_record(held, f"redoubt train {v.path}")["files"]
    for which, used in judged["checkpoints"].items():
        if trained.get(f"{which}.safetensors") != used["sha256"]:
            raise RedoubtError(
                "this result is of other weights than the training record describes",
                file=held, key=f"files.{which}.safetensors", value=trained.get(f"{which}.safetensors"),
                allowed=used["sha256"], hint=f"redoubt attack {v.path}",
            )  # fmt: skip
    if held != copy:
        write_whole(copy, held.read_bytes())
    return sha256(copy)


@dataclass(frozen=True)
class _Load:
    """Of one study, as the ledger lists it: `carried` files, `listed` ones, variants `left` behind.

    `size` is of the remote, over all studies: equal contents are held once, as best and last weights often are.
    """

    carried: list[str]
    listed: list[str]
    left: list[str]
    size: int


def _load(
    root: Path, study: Study, variants: list[Variant], missing: list[str], told: dict[str, Any], limit: float
) -> _Load:
    """What of the weights is carried and what only listed; those that are not here stay what they were."""
    folder, by_name = root / "checkpoints", {v.name: v for v in variants}
    here = {
        v.name: [
            f"{v.path}/seed{s}" for s in v.seeds if (folder / v.path / f"seed{s}" / "record.json").is_file()
        ]
        for v in variants
    }
    whole = {n for n, v in by_name.items() if all((folder / f).is_file() for f in attacked_files(study, v))}
    carried = [x for x in told["carried"] if _of(x, study.name) and _name(x) not in whole]
    others = [x for x in told["carried"] if not _of(x, study.name)]
    contents = _contents(root, [*others, *carried])
    left = []
    for name in _wanted(folder, study, variants, set(missing)):
        files = attacked_files(study, by_name[name])
        if name not in whole:
            continue
        more = contents | _bytes(folder, files)
        if sum(more.values()) > limit:
            left.append(name)
            continue
        carried += files
        contents = more
    listed = []
    for seed in (seed for seeds in here.values() for seed in seeds):
        files = [f"{seed}/{p.name}" for p in sorted((folder / seed).glob("*.safetensors"))]
        some = any(f.startswith(f"{seed}/") for f in carried)
        listed += [f for f in files if f not in carried] if some else [seed]
    gone = [
        x for x in told["listed"] if _of(x, study.name) and not (here.get(_name(x)) and (folder / x).exists())
    ]
    gone = [x for x in gone if x not in listed and x.rpartition("/")[0] not in listed]
    return _Load(carried, [*gone, *listed], left, sum(contents.values()))


def _of(item: str, study: str) -> bool:
    return item.split("/")[0] == study


def _name(item: str) -> str:
    """`study/defense/variant/...` -> `defense/variant`."""
    return "/".join(item.split("/")[1:3])


def _contents(root: Path, carried: list[str]) -> dict[str, int]:
    """Bytes by md5 of what dvc.lock lists as carried files."""
    held = _lock(root)
    return {o["md5"]: o["size"] for x in carried for o in held.get(f"carried@{x}", {"outs": ()})["outs"]}


def _bytes(folder: Path, files: list[str]) -> dict[str, int]:
    """The same of these files of a folder, those that are there."""
    return {dvc_md5(p): p.stat().st_size for p in (folder / f for f in files) if p.is_file()}


def _wanted(folder: Path, study: Study, variants: list[Variant], missing: set[str]) -> list[str]:
    """The main variants, after those whose gradients are transferred to them; first those that have a result.

    Among equals the smallest first, by what of it is in `folder`.
    """
    mains = [v for v in variants if v.variant == "main"]
    mains.sort(key=lambda v: sum(_bytes(folder, attacked_files(study, v)).values()))
    found: list[str] = []
    for left_out in (missing, set()):
        judged = [(v, s) for v in mains for s in v.seeds if f"{v.name}/seed{s}" not in left_out]
        lent = [a.surrogate for v, seed in judged for a in attacks_of(study, v, seed).values() if a.surrogate]
        found += [*lent, *(v.name for v, _ in judged)]
    return list(dict.fromkeys(found))


def _keep(root: Path, content: dict[str, Any], study: str) -> None:
    """Hashes in dvc.lock and carried files in the repository's remote, in DVC's form; nothing else stays there.

    `dvc commit` and `dvc push` do the same in minutes: they write the whole file for each stage.
    """
    described, held = read_yaml(root / "dvc.yaml")["stages"], _lock(root)
    stages = {k: v for k, v in held.items() if k.partition("@")[0] not in LISTS}
    for kind in LISTS:
        of = described[kind]["do"]
        (place,) = of["outs"][0]
        for item in content[kind]:
            path = place.replace("${item}", item)
            name, here = f"{kind}@{item}", root / path
            if _of(item, study) and here.exists():
                stages[name] = {"cmd": of["cmd"].replace("${item}", item), "outs": [_out(here, path)]}
            elif name in held:
                stages[name] = held[name]
    if stages != held:
        text = yaml.safe_dump({"schema": "2.0", "stages": stages}, sort_keys=False)
        write_whole(root / "dvc.lock", text.encode())
    _fill(
        _remote(root),
        root,
        {o["md5"]: o for k, v in stages.items() if k.startswith("carried@") for o in v["outs"]},
    )


def _lock(root: Path) -> dict[str, Any]:
    """The stages of dvc.lock."""
    path = root / "dvc.lock"
    return read_yaml(path).get("stages", {}) if path.is_file() else {}


def _out(here: Path, path: str) -> dict[str, Any]:
    files = [p for p in here.rglob("*") if p.is_file()] if here.is_dir() else [here]
    out = {"path": path, "hash": "md5", "md5": dvc_md5(here), "size": sum(p.stat().st_size for p in files)}
    return {**out, "nfiles": len(files)} if here.is_dir() else out


def _remote(root: Path) -> Path:
    """The folder of the default remote.

    Raises:
        RedoubtError: it does not lie inside the repository.
    """
    file = root / ".dvc" / "config"
    said = configparser.ConfigParser()
    said.read(file)
    name = said.get("core", "remote", fallback="")
    url = said.get(f"'remote \"{name}\"'", "url", fallback="")
    folder = (root / ".dvc" / url).resolve()
    if not url or "://" in url or not folder.is_relative_to(root.resolve()):
        raise RedoubtError(
            "the default DVC remote is not a folder of the repository", file=file, key="core.remote",
            value=url or None, allowed="a path inside it, as ../remote", hint="git checkout .dvc/config",
        )  # fmt: skip
    return folder


def _fill(remote: Path, root: Path, wanted: dict[str, dict[str, Any]]) -> None:
    """Makes the remote hold these files and no other, each under its md5."""
    for md5, out in wanted.items():
        here, there = root / out["path"], remote / "files" / "md5" / md5[:2] / md5[2:]
        if here.is_file() and not there.is_file() and dvc_md5(here) == md5:
            write_whole(there, here.read_bytes())
    for path in sorted(remote.glob("files/md5/*/*")):
        if path.parent.name + path.name not in wanted:
            path.unlink()
            if not any(path.parent.iterdir()):
                path.parent.rmdir()
