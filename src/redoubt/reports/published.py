"""What others published of a network beside what our attacks leave of it: how far above the truth each one stops."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from redoubt.evaluation.proven import inside
from redoubt.records import results
from redoubt.records.packed_booleans import unpack

CAPTION = (
    "Published weights, attacked again: robust accuracy in percent on the images that the published numbers are of, or "
    "on the first n of them. `worst` is the minimum, image by image, over all our attacks in the ball; `above the "
    "proof` is how many points it stays above what is proven of the same images: an attack that did not find what is "
    "there, or a proof that is not tight. Empty where nothing is proven or fewer images were attacked."
)


@dataclass(frozen=True)
class Attacked:
    """What one attack leaves of a network.

    Attributes:
        name: of the evaluation, `worst` for all of them together.
        robust: percent of the images.
        n: images, as many of the published ones as were attacked.
        whole: whether these are all that the published number is of.
    """

    name: str
    robust: float
    n: int
    whole: bool


def attacked(record: dict[str, Any]) -> list[Attacked]:
    """Every attack in the threat's ball, in the order of the record, then the worst case over all of them."""
    images, rows = of_images(record), []
    survived = np.ones(images, bool)
    faced = np.zeros(images, int)
    found = [e for e in record["evaluations"] if inside(e, record["threat"])]
    for e in found:
        bits = unpack(e["correct"], e["n"])[:images]
        rows.append(Attacked(e["name"], 100 * bits.mean(), len(bits), len(bits) == images))
        survived[: len(bits)] &= bits
        if e["role"] == "main":
            faced[: len(bits)] += 1
    n = int((faced == faced.max()).sum())  # the images that every main attack saw
    return [*rows, Attacked("worst", 100 * survived[:n].mean(), n, n == images)]


def of_images(record: dict[str, Any]) -> int:
    """How many of the first test images the published numbers are of."""
    bounds = [b for b in record["published"].values() if b]
    return min([record["data"]["n"], *(b["images"] for b in bounds)])


def truth(record: dict[str, Any]) -> dict[str, Any] | None:
    """What an attack can at best reach, as far as it is known: the proof, else what the strongest attack left."""
    return record["published"]["proven"] or record["published"]["attacked"]


def table(paths: list[Path]) -> pd.DataFrame:
    """One row a network with published numbers."""
    rows = []
    for path in paths:
        record = results.read(path)
        if not record.get("published"):
            continue
        found = {a.name: a for a in attacked(record)}
        known, worst = record["published"], found["worst"]
        above = worst.robust - known["proven"]["robust"] if known["proven"] and worst.whole else None
        rows.append(
            {
                "study": record["run"]["study"],
                "network": record["run"]["variant"],
                "threat": f"{record['threat']['norm']} {record['threat']['eps']:.4g}",
                "images": of_images(record),
                "natural": _percent(found["clean"]),
                "proven": _bound(known["proven"]),
                "published attack": _bound(known["attacked"]),
                "AutoAttack": _percent(found["autoattack"]) if "autoattack" in found else "",
                "worst": _percent(worst),
                "above the proof": "" if above is None else f"{above:+.1f}",
            }
        )
    return pd.DataFrame(rows)


def _percent(a: Attacked) -> str:
    return f"{a.robust:.2f}" + ("" if a.whole else f" (n {a.n})")


def _bound(bound: dict[str, Any] | None) -> str:
    return f"{bound['robust']:g} ({bound['by']}, n {bound['images']})" if bound else ""
