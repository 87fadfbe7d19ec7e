"""`redoubt plan`: which jobs would run, why, how long they take and how much disk, without running any.

What would run and why comes from Snakemake's own summary; seconds come from what Snakemake timed (`logs/**/*.tsv`),
else from the records; sizes from the files that are here. What cannot be told is said to be unknown.
"""

import csv
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from rich.table import Table

from redoubt.config import names
from redoubt.errors import RedoubtError, nearest

# The words of Snakemake's summary, in words of this project.
REASONS = {
    "missing": "not there",
    "params changed": "settings or code changed",
    "updated input files": "made from files that changed",
    "set of input files changed": "made from other files",
    "rule implementation changed": "its rule changed",
    "ok": "follows from another job",
}

NOTEBOOK = "run_notebook_"  # and its name: a rule each
NOISE = ("Using workflow specific profile", "Assuming unrestricted", "Building DAG")


@dataclass
class Job:
    """One job that would run.

    Attributes:
        rule, what: the rule, and the run, study or notebook that it is for (empty for another report).
        seconds, basis: the estimate and where it comes from; None is unknown.
        size: bytes of what it writes; None is unknown.
    """

    rule: str
    what: str
    outputs: list[str] = field(default_factory=list)
    why: str = ""
    seconds: float | None = None
    basis: str = "unknown"
    size: int | None = None


def jobs(root: Path, targets: list[str]) -> list[Job]:
    """Every job that Snakemake would run for these targets (default: all), with its estimates.

    Raises:
        RedoubtError: Snakemake is not installed, or refuses the targets or the configuration.
    """
    found: dict[tuple[str, str], Job] = {}
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in _summary(root, targets):
        if row["plan"] != "update pending":
            continue
        rule, what = re.sub(r"_seeds_[\d_]+$", "", row["rule"]), _what(row["output_file"])
        if rule.startswith(NOTEBOOK):
            rule, what = NOTEBOOK.rstrip("_"), rule.removeprefix(NOTEBOOK)
        found.setdefault((rule, what), Job(rule, what)).outputs.append(row["output_file"])
        reasons.setdefault((rule, what), []).append(row["status"])
    for key, job in found.items():
        words = [s for s in dict.fromkeys(reasons[key]) if s != "ok"] or ["ok"]
        job.why = ", ".join(REASONS.get(s, s) for s in words)
        job.seconds, job.basis = _seconds(root, job)
        sizes = [_size(root, Path(output)) for output in job.outputs]
        known = [size for size in sizes if size is not None]
        job.size = sum(known) if len(known) == len(sizes) else None
    order = ("prepare_data", "train_defense", "attack_checkpoint")
    return sorted(found.values(), key=lambda j: order.index(j.rule) if j.rule in order else len(order))


def _summary(root: Path, targets: list[str]) -> list[dict[str, str]]:
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--dry-run", "--detailed-summary", *targets]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    rows = done.stdout.splitlines()
    start = next((i for i, row in enumerate(rows) if row.startswith("output_file\t")), None)
    if done.returncode or start is None:
        said = [r for r in (done.stdout + done.stderr).splitlines() if r.strip() and not r.startswith(NOISE)]
        if any("No module named snakemake" in r for r in said):
            raise RedoubtError("Snakemake is not installed here", hint="pip install 'redoubt[workflow]'")
        runs = names.runs(root)
        unknown = next((t for t in map(_what, targets) if t.count("/") == 2 and t not in runs), None)
        raise RedoubtError(
            "Snakemake cannot plan this: " + "\n".join(said[-12:]),
            value=" ".join(targets) or None, nearest=nearest(unknown, runs) if unknown else None,
        )  # fmt: skip
    return list(csv.DictReader(rows[start:], delimiter="\t", quoting=csv.QUOTE_NONE))


def _what(output: str) -> str:
    """The variant or the study that a file belongs to."""
    top, *rest = Path(output).parts
    if top in ("checkpoints", "results", "audits"):
        return "/".join(rest[:3])
    return rest[0] if top == "data" else ""


def _seconds(root: Path, job: Job) -> tuple[float | None, str]:
    timed = root / "logs" / job.rule
    own = timed / f"{job.what}.benchmark.tsv" if job.what else timed.with_suffix(".benchmark.tsv")
    if own.is_file():
        return _median([own]), "its last run"
    if recorded := _recorded(root, job):
        return recorded
    study = job.what.split("/")[0]
    files = sorted((timed / study).rglob("*.benchmark.tsv")) if study else []
    return (_median(files), f"median of {len(files)} in {study}") if files else (None, "unknown")


def _median(files: list[Path]) -> float:
    times = []
    for path in files:
        with open(path, newline="") as file:
            times += [float(row["s"]) for row in csv.DictReader(file, delimiter="\t")]
    return statistics.median(times) if times else 0.0


def _recorded(root: Path, job: Job) -> tuple[float, str] | None:
    """Seconds that the result records of a variant state, which also a clone without logs has."""
    parts = {
        "train_defense": lambda r: r["training_seconds"],
        "attack_checkpoint": lambda r: r["provenance"]["seconds"],
        "audit_variant": lambda r: r["training_seconds"] + r["provenance"]["seconds"],
    }
    files = sorted((root / "results" / job.what).glob("seed*.json"))
    if job.rule not in parts or not files:
        return None
    try:
        records = [json.loads(path.read_text(encoding="utf-8")) for path in files]
        total = sum(parts[job.rule](r) for r in records)
        return total, f"records, {records[0]['provenance']['hardware']}"
    except (ValueError, KeyError, TypeError):  # `redoubt verify` names a broken record
        return None


def _size(root: Path, output: Path) -> int | None:
    """Bytes of a file or folder as it is here, else the median of its like in the same study."""
    top = output.parts[0]
    if top == "data":
        output = output.parent
    if (root / output).exists():
        return _bytes(root / output)
    if top not in ("checkpoints", "results"):
        return None
    name = output.name if top == "checkpoints" else "seed*.json"
    like = list((root / top / output.parts[1]).glob(f"*/*/{'seed*/' if top == 'checkpoints' else ''}{name}"))
    return int(statistics.median(map(_bytes, like))) if like else None


def _bytes(path: Path) -> int:
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return sum(p.stat().st_size for p in files)


def duration(seconds: float | None) -> str:
    """Seconds for people."""
    if seconds is None:
        return "unknown"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return (
        f"{minutes // 60} h {minutes % 60:02} min"
        if minutes >= 60
        else f"{seconds // 60:.0f} min {seconds % 60:02.0f} s"
    )


def space(size: int | None) -> str:
    """Bytes for people."""
    if size is None:
        return "unknown"
    shown: float = size
    for unit in ("B", "kB", "MB"):
        if shown < 1000:
            return f"{shown:.0f} {unit}"
        shown /= 1000
    return f"{shown:.1f} GB"


def table(planned: list[Job]) -> Table:
    """One row a job."""
    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("job", "for", "why", "time", "by", "disk"):
        shown.add_column(column, overflow="fold")
    for j in planned:
        shown.add_row(j.rule, j.what, j.why, duration(j.seconds), j.basis, space(j.size))
    return shown


def totals(planned: list[Job], cores: int, root: Path) -> str:
    """All jobs together, and what the sum leaves out."""
    if not planned:
        return "nothing to be done"
    known = [j.seconds for j in planned if j.seconds is not None]
    sizes = [j.size for j in planned if j.size is not None]
    used = min(cores, os.cpu_count() or 1)
    lines = [
        f"{len(planned)} jobs, {duration(sum(known))} of work: at least "
        f"{duration(max([sum(known) / used, *known]))} on {used} cores",
        f"disk: {space(sum(sizes))} written, {space(shutil.disk_usage(root).free)} free",
    ]
    if unknown := len(planned) - len(known):
        lines.append(f"{unknown} jobs have never run here: their time is not in the sum")
    if unknown := len(planned) - len(sizes):
        lines.append(f"{unknown} jobs write files of unknown size")
    return "\n".join(lines)
