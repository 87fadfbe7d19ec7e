"""Where a number comes from: made here, or recorded elsewhere and carried by the repository; when, and on what."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from redoubt.records.files import read_json
from redoubt.records.shipped import copy_of_training, is_shipped

HERE, RECORDED = "here", "recorded"


def made(result: Path, record: dict[str, Any]) -> str:
    """`here`, `here, on recorded weights`, or `recorded 2026-11-22 on AMD EPYC, 2 cores`.

    Args:
        result: the record's file, `.../results/STUDY/DEFENSE/VARIANT/seedN.json`.
    """
    if is_shipped(result):
        p = record["provenance"]
        return f"{RECORDED} {p['started'][:10]} on {p['hardware']}"
    return f"{HERE}, on recorded weights" if _on_recorded_weights(result, record) else HERE


def _on_recorded_weights(result: Path, record: dict[str, Any]) -> bool:
    trained = copy_of_training(result.parents[4], "/".join(result.parts[-4:-1]), record["run"]["seed"])
    if not trained.is_file():
        return False
    files = read_json(trained, f"redoubt ship {record['run']['study']}")["files"]
    return all(files.get(f"{which}.safetensors") == c["sha256"] for which, c in record["checkpoints"].items())


def words(result: Path, record: dict[str, Any]) -> str:
    """The same as a sentence of a page, with time and hardware in any case."""
    p, origin = record["provenance"], made(result, record)
    return origin if origin.startswith(RECORDED) else f"{origin}, {p['started'][:10]} on {p.get('hardware')}"


def summary(records: list[tuple[Path, dict[str, Any]]]) -> str:
    """Where the runs of a study come from: `12 made here; 83 recorded 2026-11-22 on AMD EPYC, 2 cores`."""
    found: dict[str, int] = {}
    for result, record in records:
        origin = made(result, record)
        told = origin if origin.startswith(RECORDED) else f"made {origin}"
        found[told] = found.get(told, 0) + 1
    return "; ".join(f"{n} {told}" for told, n in sorted(found.items()))


def lacks(missing: set[str]) -> str:
    """What of a study was not run, a variant once; empty where nothing is missing."""
    if not missing:
        return ""
    variants = sorted({run.rpartition("/seed")[0] for run in missing})
    runs = f"{len(missing)} {'runs are' if len(missing) > 1 else 'run is'} missing"
    of = f", of {len(variants)} variant{'s' * (len(variants) > 1)}" if len(variants) < len(missing) else ""
    return f"{runs}{of}: {', '.join(variants)}."


def column(tidy: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """`by` and a column `made` with the origins of each group's records, each once.

    Args:
        tidy: of `results.frame`.
    """
    files = tidy[[*by, "file"]].drop_duplicates()
    origins = [_of_file(f, Path(f).stat().st_mtime_ns) for f in files["file"]]
    return (
        files.assign(made=origins)
        .groupby(by, sort=False)["made"]
        .agg(lambda m: "; ".join(sorted(set(m))))
        .reset_index()
    )


@lru_cache(maxsize=4096)
def _of_file(file: str, age: int) -> str:
    return made(Path(file), read_json(Path(file), "redoubt attack"))
