"""`redoubt audit-sample --n 5 --seed 1`: a random sample of the recorded runs, each made anew and judged."""

import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

from redoubt.audit import rerun
from redoubt.config import Variant, images, load_study, resolve
from redoubt.config.load import mirror_of, study_file
from redoubt.errors import RedoubtError
from redoubt.evaluation.settings import path_of
from redoubt.progress import console
from redoubt.records.files import write_whole
from redoubt.records.shipped import ledger

WORDS = ("identical", "equivalent", "different")


def recorded_seeds(root: Path, variant: Variant) -> list[int]:
    """The seeds of a variant that have a result record here."""
    return [s for s in variant.seeds if path_of(root, variant.run(s)).is_file()]


def recorded(root: Path, studies: list[str]) -> list[tuple[Variant, int]]:
    """Every run of the studies that has a result record, in the order of their files.

    Args:
        studies: default: every study that the repository carries.

    Raises:
        RedoubtError: nothing is recorded.
    """
    names = studies or list(ledger(root)["studies"])
    variants = [v for name in names for v in resolve(load_study(study_file(root, name)))]
    found = [(v, s) for v in variants for s in recorded_seeds(root, v)]
    if not found:
        raise RedoubtError("nothing is recorded to audit", value=names or None, hint="redoubt record STUDY")
    return found


def audit(root: Path, n: int, seed: int, device: str, studies: list[str]) -> list[dict[str, Any]]:
    """Audits a sample without replacement; prepares images that are not here. Equal seeds draw equal runs.

    Returns:
        A row a run: `run`, `seed`, `verdict`, `why`, `images` (that differ under a main attack), `seconds`.
    """
    drawn = random.Random(seed).sample(known := recorded(root, studies), min(n, len(known)))
    rows: list[dict[str, Any]] = []
    for variant, run_seed in drawn:
        began = time.time()
        _prepare(root, variant.study)
        console.print(f"audit {len(rows) + 1} of {len(drawn)}: {variant.path}/seed{run_seed}", markup=False)
        report = rerun.audit(root, variant.path, [run_seed], device)
        main = [e for e in report["evaluations"] if e["role"] == "main"]
        rows.append({
            "run": variant.path, "seed": run_seed, "verdict": report["verdict"], "why": report["why"],
            "images": sum(e.get("disagreements", 0) for e in main), "seconds": time.time() - began,
        })  # fmt: skip
        write_whole(root / "audits" / "sample.md", summary(rows, seed).encode())
    return rows


def _prepare(root: Path, name: str) -> None:
    if not (root / "data" / name / "record.json").is_file():
        images.prepare(root, load_study(study_file(root, name)), mirror_of(root))


def summary(rows: list[dict[str, Any]], seed: int) -> str:
    """The sample as Markdown."""
    counts = Counter(row["verdict"] for row in rows)
    told = ", ".join(f"{counts[word]} {word}" for word in WORDS)
    lines = [f"{len(rows)} runs, drawn with seed {seed}: {told}.", ""]
    lines += [
        "| run | seed | verdict | images that differ | seconds | why |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for r in rows:
        why = "" if r["verdict"] == "identical" else r["why"]
        lines.append(
            f"| {r['run']} | {r['seed']} | {r['verdict']} | {r['images']} | {r['seconds']:.0f} | {why} |"
        )
    return "\n".join([*lines, ""])
