"""Wall time of the digits study from an empty checkout, and the share of it that is not training or attacking.

    python benchmarks/whole_run.py

Runs `snakemake` in a copy of the project's tracked files, in the environment that is there already. The peer is the
sum of the seconds that the records themselves say were spent in training and attacks, divided by the cores: what a
run without start-up, imports, rules and notebooks would take.
"""

import json
import os
import platform
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

REPO = Path(__file__).resolve().parents[1]


def checkout(folder: Path) -> None:
    """The project's tracked and new files, without anything that a run made."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=REPO, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    for name in listed:
        if (REPO / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPO / name, folder / name)


def run(cores: int) -> dict:
    """One row: a whole run at `--cores`, and the work inside it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        checkout(folder)
        began = time.perf_counter()
        environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
        subprocess.run(
            ["snakemake", "--cores", str(cores)], cwd=folder, env=environment, check=True, capture_output=True
        )
        wall = time.perf_counter() - began
        trained = [json.loads(p.read_text()) for p in folder.glob("checkpoints/*/*/*/seed*/record.json")]
        attacked = [json.loads(p.read_text()) for p in folder.glob("results/*/*/*/seed*.json")]
    work = sum(r["seconds"] for r in trained) + sum(e["seconds"] for r in attacked for e in r["evaluations"])
    used = min(cores, os.cpu_count())
    return {
        "name": f"whole run, --cores {cores}",
        "peer": f"training and attacks alone, spread over {used} cores",
        "ours_s": round(wall, 1),
        "peer_s": round(work / used, 1),
        "ratio": round(work / used / wall, 3),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    }


def main() -> None:
    """Prints the table and writes benchmarks/out/whole_run.json."""
    rows = [run(cores) for cores in (os.cpu_count(), 8)]
    table = Table("run", "wall (s)", "work / cores (s)", "share of work", "overhead")
    for r in rows:
        table.add_row(
            r["name"], f"{r['ours_s']}", f"{r['peer_s']}", f"{r['ratio']:.0%}", f"{1 - r['ratio']:.0%}"
        )
    Console().print(table)
    out = REPO / "benchmarks" / "out"
    out.mkdir(exist_ok=True)
    (out / "whole_run.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
