"""What `dvc.lock` lists against the files that are here."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from redoubt.audit.findings import Finding
from redoubt.config.load import read_yaml
from redoubt.errors import RedoubtError
from redoubt.records import shipped


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
