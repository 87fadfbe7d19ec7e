"""Start-up: what a cold run's jobs pay before they work, a process a job against the warm process, in one run.

    python benchmarks/startup.py            # smoke and every eighth digits variant, in turns: about ten minutes
    python benchmarks/startup.py --only smoke

Trains and attacks in copies of the project's tracked files, by Snakemake, on all cores. Start-up is the seconds of the
jobs as Snakemake measured them, less those from a run's first training step or attack to its record. Prints a table
and writes benchmarks/out/startup.json.
"""

import argparse
import csv
import json
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from harness import machine, show, write
from whole_run import checkout

from redoubt.config import load_study, resolve

EVERY = {"smoke": 1, "digits": 8}


@dataclass
class Cold:
    """One cold run: its wall time, how many jobs trained or attacked, their seconds, and those of them at work."""

    wall: float
    jobs: int
    seconds: float
    work: float

    @property
    def startup(self) -> float:
        """Seconds a job."""
        return (self.seconds - self.work) / self.jobs

    @property
    def share(self) -> float:
        return 1 - self.work / self.seconds


def replace(path: Path, old: str, new: str) -> None:
    """Changes the one place of a file that reads so."""
    text = path.read_text()
    if text.count(old) != 1:
        raise SystemExit(f"{path.name} does not hold this once: {old!r}")
    path.write_text(text.replace(old, new))


def cold(study: str, warm: bool) -> Cold:
    """A run of some variants of a study, and of what they start from, in a copy where nothing has run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        checkout(folder)
        (folder / "config.yaml").write_text(f"studies: {{{study}: {{start_from: scratch}}}}\nmirror: null\n")
        begun, prepared = "        started = time.time()\n", "        state = self.prepare()\n"
        replace(folder / "src/redoubt/training/trainer.py", begun + prepared, prepared + begun)
        if not warm:
            replace(folder / "Snakefile", "        warm.start()", "        pass")
        chosen = resolve(load_study(folder / "studies" / f"{study}.yaml"))[:: EVERY[study]]
        asked = [f"results/{v.path}/seed{seed}.json" for v in chosen for seed in v.seeds]
        command = ["snakemake", "--cores", str(os.cpu_count()), *asked]
        environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
        began = time.perf_counter()
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
        return measured(folder, time.perf_counter() - began)


def measured(folder: Path, wall: float) -> Cold:
    """What the logs and records of a finished run say."""
    jobs = []
    for rule in ("train_defense", "attack_checkpoint"):
        for path in folder.glob(f"logs/{rule}/**/*.benchmark.tsv"):
            with open(path, newline="") as file:
                jobs.append(float(next(csv.DictReader(file, delimiter="\t"))["s"]))
    trained = [json.loads(p.read_text()) for p in folder.glob("checkpoints/*/*/*/seed*/record.json")]
    attacked = [json.loads(p.read_text()) for p in folder.glob("results/*/*/*/seed*.json")]
    work = sum(r["seconds"] for r in trained) + sum(r["provenance"]["seconds"] for r in attacked)
    return Cold(wall, len(jobs), sum(jobs), work)


def rows(study: str, turns: int) -> list[dict]:
    """Start-up and wall time of one study, the best of the turns."""
    where = machine()
    found: dict[bool, list[Cold]] = {True: [], False: []}
    for _ in range(turns):
        for warm, runs in found.items():
            runs.append(cold(study, warm))
            print(f"{study}, {'warm process' if warm else 'a process a job'}: {runs[-1]}", flush=True)
    ours, peer = (min(runs, key=lambda run: run.startup) for runs in found.values())
    some = f"{study}, {ours.jobs} jobs"
    shares = {"share": round(ours.share, 4), "peer_share": round(peer.share, 4), "machine": where}
    startup = {"ours_s": round(ours.startup, 2), "peer_s": round(peer.startup, 2)}
    wall = {"ours_s": round(ours.wall, 1), "peer_s": round(peer.wall, 1)}
    plain, goal = {"peer": "a process a job"}, f"share at most 8 %: {100 * ours.share:.1f} %"
    return [
        {
            "name": f"start-up a job, {some}",
            **plain,
            **startup,
            "ratio": _ratio(startup),
            "goal": goal,
            **shares,
        },
        {"name": f"cold run, {some}", **plain, **wall, "ratio": _ratio(wall), **shares},
    ]


def _ratio(row: dict[str, float]) -> float:
    return round(row["peer_s"] / row["ours_s"], 3)


def main() -> None:
    """Prints the table and writes benchmarks/out/startup.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=list(EVERY))
    parser.add_argument("--turns", type=int, default=2, help="runs of each, in alternation")
    given = parser.parse_args()
    made = [r for study in EVERY if given.only in (None, study) for r in rows(study, given.turns)]
    write("startup", made)
    shown = ("name", "peer", "ours_s", "peer_s", "ratio", "share", "peer_share")
    show(made[0]["machine"], [{key: row[key] for key in shown} for row in made])


if __name__ == "__main__":
    main()
