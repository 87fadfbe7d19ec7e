"""Evidence from outside beside a result record: `results/STUDY/DEFENSE/VARIANT/challenges/seed0-HASH.json`.

A challenge holds evaluations like those of a record, made from a file that someone sent, which lies beside it. It
counts for a record of the same weights and images, and no longer where those are others.
"""

import binascii
from pathlib import Path
from typing import Any

from redoubt.errors import RedoubtError
from redoubt.records import shapes
from redoubt.records.files import read_record, sha256
from redoubt.records.packed_booleans import unpack

ATTACK = "challenge"  # what the rows of a challenge say that they are


def files(result: Path) -> list[Path]:
    """The challenges that lie beside a result record, whether they count or not."""
    return sorted((result.parent / "challenges").glob(f"{result.stem}-*.json"))


def read(path: Path) -> dict[str, Any]:
    """One challenge, whole, with the files that it rests on.

    Raises:
        RedoubtError: one bit of the record is another, its bits and counts differ, or a file beside it is missing or
            another.
    """
    again = "redoubt challenge, with the file that was sent"
    record = read_record(path, again)
    shapes.check(record, shapes.Challenge, path, again)
    try:
        check_counts(record["evaluations"], path, again)
        beside = {path.with_name(name): hashed for name, hashed in record["files"].items()}
    except RedoubtError:
        raise
    except (TypeError, AttributeError, ValueError, binascii.Error) as error:
        raise RedoubtError(f"this is not a challenge: {error!r}", file=path, hint=again) from None
    for here, hashed in beside.items():
        if not here.is_file() or sha256(here) != hashed:
            raise RedoubtError(
                "this file is not the one that its challenge rests on" if here.is_file() else "there is no such file",
                file=here, allowed=hashed, hint=again,
            )  # fmt: skip
    return record


def why_not(challenge: dict[str, Any], record: dict[str, Any]) -> str:
    """Why a challenge does not count for a record; empty where it does."""
    if challenge["weights"] != record["checkpoints"]["best"]["sha256"]:
        return "of other weights than the record's"
    here = {k: record["data"][k] for k in ("sha256", "indices_sha256", "n")}
    if challenge["data"] != here:
        return "of other images than the record's"
    return ""


def added(record: dict[str, Any], result: Path) -> dict[str, Any]:
    """The record with the evaluations and checks of the challenges that count for it."""
    found = [c for c in map(read, files(result)) if not why_not(c, record)]
    if not found:
        return record
    both = {k: [*record[k], *(row for c in found for row in c[k])] for k in ("evaluations", "checks")}
    return {**record, **both}


def check_counts(rows: list[dict[str, Any]], path: Path, again: str) -> None:
    """RedoubtError where the bits and the count of an evaluation differ; ValueError where they are no bits."""
    for row in rows:
        bits = unpack(row["correct"], row["n"])
        if int(bits.sum()) != row["correct_count"]:
            raise RedoubtError(
                "this record was changed by hand: its bits and its count differ",
                file=path, key=f"evaluations.{row['name']}.correct_count", value=row["correct_count"],
                allowed=str(int(bits.sum())), hint=again,
            )  # fmt: skip
