"""Two records of one run, the recorded one and one made anew: what differs, and which verdict follows.

`identical`   every recorded byte of the weights, every training metric, every bit of every evaluation and whatever else
              its attack said is equal.
`equivalent`  bytes differ, for a reason that is named (other code, versions, hardware), and every main evaluation
              is shown to be within MARGIN: the 95 % paired interval over the same images lies inside it.
`different`   anything else: other settings or data, no reason for other bytes, or numbers not shown to agree.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from redoubt.statistics.intervals import Interval, paired_difference

if TYPE_CHECKING:
    import pandas as pd

MARGIN = 0.02  # ours: of the order of a seed's spread on the studies here; a paper's gain is usually larger
SHOWN = 20  # images named for each evaluation; the bits of all lie in the records
FACED = ("attack", "checkpoint", "role", "norm", "eps", "n", "view")  # what makes an evaluation the same one
SPEED = "images_per_s"


def flat(content: Any, at: str = "") -> dict[str, Any]:
    """Nested plain data as `dotted.key: value`, as it would come back from a record."""
    return dict(_leaves(_plain(content), at))


def _plain(content: Any) -> Any:
    return json.loads(json.dumps(content, default=str))


def _leaves(content: Any, at: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(content, dict):
        yield at, content
        return
    for key, value in content.items():
        yield from _leaves(value, f"{at}.{key}" if at else key)


def changed(recorded: Any, audited: Any) -> list[dict[str, Any]]:
    """The keys whose values differ, with both values; None where a key is not there."""
    if recorded == _plain(audited):
        return []
    old, new = flat(recorded), flat(audited)
    keys = [k for k in dict.fromkeys([*old, *new]) if old.get(k) != new.get(k)]
    return [{"key": k, "recorded": old.get(k), "audited": new.get(k)} for k in keys]


def environment(provenance: dict[str, Any]) -> dict[str, Any]:
    """The part of a provenance that may change bytes without a change of the project."""
    return {k: provenance.get(k) for k in ("versions", "hardware", "instructions", "tf32", "threads")}


def modules(recorded: dict[str, Any], audited: dict[str, Any]) -> list[str]:
    """The files whose meaning differs between two fingerprints."""
    rows = changed({"": recorded["modules"]}, {"": audited["modules"]})
    return [f"src/{row['key'].strip('.').replace('.', '/')}.py" for row in rows]


def weights(run: str, recorded: dict[str, Any], audited: dict[str, Any]) -> list[dict[str, Any]]:
    """One row a recorded file: whether its bytes came out again."""
    return [
        {"run": run, "file": name, "recorded": digest, "audited": audited["files"].get(name),
         "same": digest == audited["files"].get(name)}
        for name, digest in recorded["files"].items()
    ]  # fmt: skip


def epochs(recorded: dict[str, Any], audited: dict[str, Any]) -> list[int] | None:
    """The epochs, from 1, whose metrics differ in any digit; None where the record holds no metrics."""
    if recorded["history"] is None:
        return None
    old, new = (
        [{k: v for k, v in row.items() if k != SPEED} for row in r["history"]] for r in (recorded, audited)
    )
    longest = max(len(old), len(new))
    # As text: a metric that is not a number equals itself.
    return [i + 1 for i in range(longest) if json.dumps(old[i : i + 1]) != json.dumps(new[i : i + 1])]


def evaluations(recorded: pd.DataFrame, audited: pd.DataFrame) -> list[dict[str, Any]]:
    """One row an evaluation, its seeds together: both accuracies, the images that differ, and the paired interval.

    Args:
        recorded, audited: frames of `results.frame` over the same seeds.
    """
    rows = []
    for name in dict.fromkeys([*recorded["name"], *audited["name"]]):
        old, new = (f[f["name"] == name].set_index("seed") for f in (recorded, audited))
        seeds = [int(s) for s in old.index if s in new.index]
        row = {"name": name, "role": (old if len(old) else new)["role"].iloc[0], "seeds": seeds}
        same = sorted(old.index) == sorted(new.index) and all(
            old.loc[s, key] == new.loc[s, key] for s in seeds for key in FACED
        )
        rows.append({**row, **(_paired(old, new, seeds) if same else {"comparable": False, "within": False})})
    return rows


def _paired(old: pd.DataFrame, new: pd.DataFrame, seeds: list[int]) -> dict[str, Any]:
    a, b = (np.stack([side.loc[s, "correct"] for s in seeds]) for side in (new, old))
    d = paired_difference(a, b) if (a != b).any() else Interval(0.0, 0.0, 0.0)
    images = {str(s): np.flatnonzero(x != y)[:SHOWN].tolist() for s, x, y in zip(seeds, a, b, strict=True)}
    return {
        "comparable": True, "n": int(a.shape[1]), "recorded": float(b.mean()), "audited": float(a.mean()),
        "disagreements": int((a != b).sum()), "first_images": {s: found for s, found in images.items() if found},
        "same_distance": bool((old.loc[seeds, "max_perturbation"] == new.loc[seeds, "max_perturbation"]).all()),
        "difference": d.value, "low": d.low, "high": d.high, "within": bool(d.low >= -MARGIN and d.high <= MARGIN),
    }  # fmt: skip


def verdict(found: dict[str, Any]) -> tuple[str, str]:
    """One of the three words, and the sentence that says why.

    Args:
        found: `weights`, `epochs`, `evaluations`, `told`, `checks`, and `differs` with `settings`, `data`, `code`,
            `environment`.
    """
    rows, differs = found["evaluations"], found["differs"]
    same_bits = all(r["comparable"] and not r["disagreements"] and r["same_distance"] for r in rows)
    same_epochs = not any(found["epochs"].values())
    if (
        same_bits
        and same_epochs
        and not found["checks"]
        and not found["told"]
        and all(w["same"] for w in found["weights"])
    ):
        return (
            "identical",
            "every recorded byte of the weights and every bit of every evaluation came out again",
        )
    if other := [k for k in ("settings", "data") if differs[k]]:
        named = ", ".join(row["key"] for k in other for row in differs[k])
        return "different", f"this is another experiment: {' and '.join(other)} differ ({named})"
    reasons = [f"other code ({', '.join(differs['code'])})"] if differs["code"] else []
    if keys := dict.fromkeys(r["key"] for r in differs["environment"]):
        reasons.append(f"another environment ({', '.join(keys)})")
    outside = [r for r in rows if r["role"] == "main" and not r["within"]]
    if outside:
        why = f"there is {' and '.join(reasons)}" if reasons else "code and environment are the recorded ones"
        return "different", f"not shown to be within {100 * MARGIN:g} points: {_outside(outside)}; {why}"
    if not reasons:
        named = f" ({', '.join(row['key'] for row in found['told'][:3])})" if found["told"] else ""
        why = "bytes differ although settings, data, code and environment are the recorded ones"
        return "different", f"{why}{named}"
    return (
        "equivalent",
        f"bytes differ because of {' and '.join(reasons)}; every main evaluation is within {100 * MARGIN:g} points "
        "by its 95 % paired interval",
    )


def _outside(rows: list[dict[str, Any]]) -> str:
    words = []
    for r in rows:
        if not r["comparable"]:
            words.append(f"{r['name']} (not the same evaluation)")
            continue
        clear = r["low"] > MARGIN or r["high"] < -MARGIN
        about = "beyond the margin" if clear else f"the interval reaches beyond it{_enough(r)}"
        words.append(f"{r['name']} ({100 * r['low']:+.1f} to {100 * r['high']:+.1f}, {about})")
    return ", ".join(words)


def _enough(row: dict[str, Any]) -> str:
    """How many images would show it, were the difference the same: an interval narrows with their square root."""
    room = MARGIN - abs(row["difference"])
    if room <= 0:
        return ""
    width = max(row["high"] - row["difference"], row["difference"] - row["low"])
    return f": about {math.ceil(row['n'] * (width / room) ** 2 / 100) * 100:,} images would show it, not {row['n']:,}"
