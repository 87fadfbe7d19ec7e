"""Result records -> one tidy frame, one row a run and attack; a record that was changed by hand is refused."""

from __future__ import annotations

import binascii
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from redoubt.errors import RedoubtError
from redoubt.records import challenges, shapes
from redoubt.records.files import read_record
from redoubt.records.packed_booleans import unpack

if TYPE_CHECKING:
    import pandas as pd

# Which evaluations may be compared: crafted and judged the same way.
COLUMNS = ("study", "defense", "variant", "seed", "name", "attack", "role", "checkpoint", "norm", "eps", "n")

# What seeds of a variant must have in common under one name of an attack.
FACED = ("attack", "checkpoint", "view", "surrogate", "role", "norm", "eps", "params")


def read(path: Path, challenged: bool = True) -> dict[str, Any]:
    """One result record whose bits and counts agree, with the evaluations of the challenges that lie beside it.

    Args:
        challenged: False gives the record alone.

    Raises:
        RedoubtError: the record or a challenge is missing, cut short, lacks a key, or its bits and counts differ.
    """
    run = "/".join(path.parts[-4:-1])
    again = f"redoubt attack {run}"
    record = read_record(path, again)
    shapes.check(record, shapes.Result, path, again)
    try:
        challenges.check_counts(record["evaluations"], path, again)
        if "/".join(map(str, record["run"].values())) != f"{run}/{path.stem.removeprefix('seed')}":
            raise RedoubtError(
                "this record lies in another run's place", file=path, key="run", value=record["run"]
            )
    except RedoubtError:
        raise
    except (TypeError, AttributeError, ValueError, binascii.Error) as error:
        raise RedoubtError(f"this is not a result record: {error!r}", file=path, hint=again) from None
    _check_rows(record["evaluations"], path, again)
    return challenges.added(record, path) if challenged else record


def _check_rows(rows: list[dict[str, Any]], path: Path, again: str) -> None:
    """RedoubtError unless the first row is of the natural images, the rest under names of their own."""
    names = [row["name"] for row in rows]
    first = rows[0]
    if (first["name"], first["checkpoint"], first["role"]) != ("clean", "best", "main"):
        raise RedoubtError(
            "a record begins with the natural accuracy", file=path, key="evaluations.0.name", value=names[0],
            allowed="clean, of the best weights, in the role main", hint=again,
        )  # fmt: skip
    if twice := [name for name in names if names.count(name) > 1 or name.startswith("worst")]:
        raise RedoubtError(
            "tables cannot tell two evaluations of one name apart", file=path, key="evaluations", value=twice[0],
            hint=again,
        )  # fmt: skip


def frame(paths: list[Path], challenged: bool = True) -> pd.DataFrame:
    """One row a run and attack, with the bits as an array in `correct`, in the order of `paths`.

    RedoubtError where two seeds of a variant have other settings, or faced other attacks under one name: what is
    averaged must be one experiment.

    Each run also gets a row `worst`: per example, the minimum over all main attacks on the selected checkpoint that
    this seed faced, and over every challenge that counts. It is taken over the images that all of them attacked. Where
    the seeds of a variant faced different attacks, a row `worst_shared` is over those that every seed faced.
    """
    import pandas as pd  # half a second to load, for commands that need no table

    runs: dict[tuple, list[list[dict[str, Any]]]] = {}
    first: dict[tuple, tuple[Path, dict[str, Any]]] = {}
    for path in paths:
        record = read(path, challenged)
        _check_same(*first.setdefault(tuple(list(record["run"].values())[:3]), (path, record)), path, record)
        extra = {"training_seconds": record["training_seconds"], "file": path.as_posix()}
        rows = [{**record["run"], **_row(e), **extra} for e in record["evaluations"]]
        runs.setdefault(tuple(list(record["run"].values())[:3]), []).append(rows)
    flat = []
    for seeds in runs.values():
        faced = [[r["name"] for r in _counted(rows)] for rows in seeds]
        shared = set.intersection(*map(set, faced))
        for rows, names in zip(seeds, faced, strict=True):
            flat += [*rows, _worst(rows, set(names), "worst")]
            if any(set(other) != shared for other in faced):
                flat.append(_worst(rows, shared, "worst_shared"))
    return pd.DataFrame(flat)


def _check_same(one: Path, first: dict[str, Any], path: Path, record: dict[str, Any]) -> None:
    """Refuses a second seed of another experiment than the first seed's."""
    key, old, new = "config", first.get("config"), record.get("config")
    if old == new:
        faced = {e["name"]: e for e in first["evaluations"]}
        for e in record["evaluations"]:
            if e["name"] in faced:
                key = f"evaluations.{e['name']}"
                old, new = ({k: row.get(k) for k in FACED} for row in (faced[e["name"]], e))
                if old != new:
                    break
    if old != new:
        both = [side if isinstance(side, dict) else {} for side in (old, new)]
        named = next((k for k in dict.fromkeys([*both[0], *both[1]]) if both[0].get(k) != both[1].get(k)), "")
        raise RedoubtError(
            f"two seeds of one variant are of different experiments: {one.as_posix()} has another {named}",
            file=path, key=f"{key}.{named}".rstrip("."), value=both[1].get(named), allowed=repr(both[0].get(named)),
            hint=f"redoubt attack {'/'.join(path.parts[-4:-1])}",
        )  # fmt: skip


def alike(a: pd.DataFrame, b: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """The rows `worst` of two runs, seed by seed over the main attacks that both faced.

    Args:
        a, b: every row of one run each.

    Returns:
        One row a seed that both have, or None where some seed has no attack in common.
    """
    import pandas as pd

    found: tuple[list, list] = ([], [])
    for seed in sorted(set(a["seed"]) & set(b["seed"])):
        sides = [side[side["seed"] == seed].to_dict("records") for side in (a, b)]
        names = set.intersection(*({r["name"] for r in _counted(rows)} for rows in sides))
        if not names - {"clean"}:
            return None
        for rows, kept in zip(sides, found, strict=True):
            kept.append(_worst(rows, names, "worst"))
    return (pd.DataFrame(found[0]), pd.DataFrame(found[1])) if found[0] else None


def common(a: pd.DataFrame, b: pd.DataFrame) -> tuple[np.ndarray, np.ndarray] | None:
    """The bits (seeds, n) of both on the images and seeds that both have, or None without any.

    Args:
        a, b: rows of one attack each, one a seed, with the bits in `correct`.
    """
    left, right = a.set_index("seed")["correct"], b.set_index("seed")["correct"]
    seeds = sorted(set(left.index) & set(right.index))
    if not seeds:
        return None
    n = min(len(side[s]) for side in (left, right) for s in seeds)
    return np.stack([left[s][:n] for s in seeds]), np.stack([right[s][:n] for s in seeds])


def _row(evaluation: dict[str, Any]) -> dict[str, Any]:
    kept = {k: evaluation[k] for k in (*COLUMNS[4:], "view", "seconds", "max_perturbation", "info")}
    return {**kept, "correct": unpack(evaluation["correct"], evaluation["n"])}


def _counted(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The evaluations that a worst case is taken over: natural images, main attacks and challenges."""
    return [
        r
        for r in rows
        if r["role"] == "main"
        and r["checkpoint"] == "best"
        and "@" not in r["name"]
        and not r["name"].startswith("worst")
    ]


def _worst(rows: list[dict[str, Any]], names: set[str], called: str) -> dict[str, Any]:
    counted = [r for r in _counted(rows) if r["name"] in names]
    n = min(r["n"] for r in counted)
    return {
        **rows[0],
        "name": called,
        "attack": "minimum over " + ", ".join(r["name"] for r in counted),
        "eps": max(r["eps"] for r in counted),
        "n": n,
        "correct": np.logical_and.reduce([r["correct"][:n] for r in counted]),
        "seconds": sum(r["seconds"] for r in counted),
        "max_perturbation": max(r["max_perturbation"] for r in counted),
    }
