"""`results/shipped.json`: what the repository carries of each recorded study, and where a run's training record lies.

DVC reads its three lists too (`dvc.yaml`): `images`, studies; `carried`, files below `checkpoints/` that the
repository's remote holds; `listed`, files and folders there of which it holds the hash alone. `studies` has for each
study the sha256 of every `result` and `training` record by `defense/variant/seedN`, and the runs that are `missing`.
"""

import functools
from pathlib import Path
from typing import Any

from redoubt.records.files import read_json, sha256

LEDGER = "results/shipped.json"


def empty() -> dict[str, Any]:
    """The ledger of a repository that carries no evidence."""
    return {"schema": 1, "images": [], "carried": [], "listed": [], "studies": {}}


def ledger(root: Path) -> dict[str, Any]:
    """The ledger of a project; the empty one where there is none.

    Raises:
        RedoubtError: it was cut short.
    """
    path = root / LEDGER
    return read_json(path, "redoubt ship STUDY") if path.is_file() else empty()


def missing(ledger: dict[str, Any], study: str) -> set[str]:
    """The runs, as `defense/variant/seedN`, that a recorded study was shipped without."""
    return set(ledger["studies"].get(study, {}).get("missing", ()))


def lacking(root: Path, ledger: dict[str, Any], study: str) -> set[str]:
    """The `missing` runs without a result here: what was finished since is there, shipped or not."""
    folder = root / "results" / study
    return {run for run in missing(ledger, study) if not (folder / f"{run}.json").is_file()}


def hashes(ledger: dict[str, Any]) -> dict[str, str]:
    """Path in the project: hash of every record that the repository carries, results and training records."""
    found = {}
    for study, told in ledger["studies"].items():
        for run, held in told["records"].items():
            found[f"results/{study}/{run}.json"] = held["result"]
            if held["training"]:
                name, _, seed = run.rpartition("/seed")
                copy = copy_of_training(Path(), f"{study}/{name}", int(seed))
                found[copy.as_posix()] = held["training"]
    return found


def is_shipped(result: Path) -> bool:
    """Whether a result record is, byte for byte, one that the repository carries, and was not made anew since."""
    root, name = result.parents[4], "/".join(("results", *result.parts[-4:]))
    return _hashes(root, _age(root / LEDGER)).get(name) == sha256(result)


def _age(path: Path) -> int:
    return path.stat().st_mtime_ns if path.is_file() else 0


@functools.lru_cache(maxsize=4)
def _hashes(root: Path, age: int) -> dict[str, str]:
    return hashes(ledger(root))


def copy_of_training(root: Path, run: str, seed: int) -> Path:
    """Where the training record of `study/defense/variant` lies beside its results, once it was shipped."""
    return root / "results" / run / "training" / f"seed{seed}.json"


def training_file(root: Path, run: str, seed: int) -> Path:
    """The training record that is here: beside the weights, else beside the results; the former without either."""
    made, kept = root / "checkpoints" / run / f"seed{seed}" / "record.json", copy_of_training(root, run, seed)
    return kept if kept.is_file() and not made.is_file() else made
