"""Growth: dry run, tables and site of a study of 100, 1,000 and 5,000 variants, in seconds and memory.

    python benchmarks/growth.py                    # about an hour; 100 and 1,000 alone take minutes:
    python benchmarks/growth.py --variants 100 1000

Studies and records are made up in a temporary folder; nothing is trained. Each step is a process of its own. The peer
is the same step at the size before, grown linearly: a ratio of 1 or more means that it grows no faster than that.
A step that does not end, or not in time, says so in its row, and larger sizes go on with what can be done without it.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from harness import machine, show, write
from made_up import evidence, study
from whole_run import checkout

LIMIT_S = 3600


@dataclass
class Step:
    """What one process took; `broke` is the last line of its error, or that it took too long."""

    seconds: float
    cpu: float
    megabytes: float
    broke: str = ""


def timed(root: Path, *command: str) -> Step:
    """Runs a command in the folder; the memory is the largest of any of its processes."""
    environment = {**os.environ, "PYTHONPATH": str(root / "src"), "OMP_NUM_THREADS": "1"}
    began = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, cwd=root, env=environment, stdout=said, stderr=subprocess.STDOUT)
        watch = threading.Timer(LIMIT_S, process.kill)
        watch.start()
        _, status, used = os.wait4(process.pid, 0)
        watch.cancel()
        seconds = time.perf_counter() - began
        said.seek(0)
        lines = [line.strip() for line in said.read().decode(errors="replace").splitlines() if line.strip()]
    process.returncode = os.waitstatus_to_exitcode(status)
    broke = ""
    if process.returncode:
        told = [line for line in lines if "rror" in line or "too long" in line] or lines[-1:] or ["no word"]
        broke = f"not within {LIMIT_S} s" if seconds >= LIMIT_S else told[-1][:200]
    memory = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 2**20
    return Step(seconds, used.ru_utime + used.ru_stime, memory, broke)


FILES = "from pathlib import Path; here = Path(); found = sorted(here.glob('results/*/*/*/*.json')); "
FILES += "records = sorted(here.glob('checkpoints/*/*/*/*/record.json')); "
TABLES = "from redoubt.reports import tables; out = here / 'reports'; "
TABLES += "tables.write(tables.build(found, records), out / 'tables', out / 'all_tables')"
SITE = (
    "from redoubt.reports import site; site.write(here / 'reports', found, records, here / 'docs/fidelity')"
)
SNAKEMAKE = ("snakemake", "--cores", "2")
ATTACKED = (*SNAKEMAKE, "--until", "attack_checkpoint_seeds_0")
# In this order: each stands on what those before it left.
STEPS = {
    "dry run, nothing made": (*SNAKEMAKE, "--dry-run"),
    "noting what is there (--touch)": (*ATTACKED, "--touch"),
    "dry run, all attacked": (*ATTACKED, "--dry-run"),
    "claims": (sys.executable, "-m", "redoubt.cli.start", "claims"),
    "tables": (sys.executable, "-c", FILES + TABLES),
    "site": (sys.executable, "-c", FILES + SITE),
    "tables by Snakemake": (*SNAKEMAKE, "--force", "reports/all_tables"),
}


def grown(variants: int) -> dict[str, Step]:
    """Every step at one size, in a folder of its own."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        checkout(root)
        study(root, variants)
        steps = {}
        for step, command in STEPS.items():
            steps[step] = timed(root, *command)
            print(f"{variants} variants, {step}: {steps[step]}", flush=True)
            if step.endswith("nothing made"):
                evidence(root, variants)
    return steps


def rows(found: dict[int, dict[str, Step]]) -> list[dict]:
    """One row a step and size; the peer is the size before, grown linearly."""
    made, where = [], machine()
    for variants, before in zip(found, [None, *found], strict=False):
        for name, step in found[variants].items():
            peer = found[before][name] if before else Step(0.0, 0.0, 0.0, "none")
            grows = not step.broke and not peer.broke
            factor = variants / before if before else 0.0
            made.append(
                {
                    "name": f"{name}, {variants:,} variants",
                    "peer": f"{before:,} variants, grown linearly" if before else "",
                    "ours_s": round(step.seconds, 2),
                    "peer_s": round(factor * peer.seconds, 2) if grows else None,
                    "ratio": round(factor * peer.seconds / step.seconds, 3) if grows else None,
                    "goal": "at least 1" if grows else None,
                    "cpu_s": round(step.cpu, 2),
                    "cpu_ratio": round(factor * peer.cpu / step.cpu, 3) if grows else None,
                    "megabytes": round(step.megabytes),
                    "broke": step.broke,
                    "machine": where,
                }
            )
    return made


def main() -> None:
    """Prints the table and writes benchmarks/out/growth.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--variants", type=int, nargs="+", default=[100, 1000, 5000], help="sizes, ascending")
    made = rows({n: grown(n) for n in parser.parse_args().variants})
    write("growth", made)
    show(made[0]["machine"], [_printed(row) for row in made])


def _printed(row: dict) -> dict[str, object]:
    return {
        "step": row["name"],
        "seconds": row["ours_s"],
        "CPU seconds": row["cpu_s"],
        "ratio to linear": row["ratio"] or "",
        "of CPU seconds": row["cpu_ratio"] or "",
        "memory, MB": row["megabytes"],
        "broke": row["broke"],
    }


if __name__ == "__main__":
    main()
