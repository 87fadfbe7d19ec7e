"""What the benchmarks share: contestants timed in alternation, the machine in words, one JSON file a benchmark.

Every row has `name`, `peer`, `ours_s`, `peer_s` and `ratio`, above 1 where ours is faster, and may have a `goal` in
words; whatever else it has is the benchmark's own.
"""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

OUT = Path(__file__).resolve().parent / "out"


@dataclass
class Timing:
    """Seconds of one contestant, the best of its turns: wall clock, and user + system of this process.

    The processor's time is the steadier one where other work shares the machine.
    """

    wall: float = float("inf")
    cpu: float = float("inf")
    value: object = None


def alternate(contestants: dict[str, Callable[[], object]], turns: int) -> dict[str, Timing]:
    """Times callables in turn, so that a busy minute of the machine hits all of them.

    Args:
        contestants: name -> what to time; what it returns is kept from the last turn.
        turns: how often each one runs.
    """
    found = {name: Timing() for name in contestants}
    for _ in range(turns):
        for name, run in contestants.items():
            wall, cpu = time.perf_counter(), time.process_time()
            found[name].value = run()
            _wait_for_gpu()
            found[name].wall = min(found[name].wall, time.perf_counter() - wall)
            found[name].cpu = min(found[name].cpu, time.process_time() - cpu)
    return found


def apart(contestants: dict[str, list[str]], turns: int) -> dict[str, Timing]:
    """As `alternate`, each turn in a process of its own, whose memory no other contestant has touched.

    Args:
        contestants: name -> script and arguments; its last line is a JSON object with `wall` and `cpu`, in seconds.

    Returns:
        The least seconds, and the last object as `value`.
    """
    found = {name: Timing() for name in contestants}
    for _ in range(turns):
        for name, words in contestants.items():
            done = subprocess.run([sys.executable, *words], stdout=subprocess.PIPE, text=True, check=True)
            said = json.loads(done.stdout.splitlines()[-1])
            found[name].value = said
            found[name].wall = min(found[name].wall, said["wall"])
            found[name].cpu = min(found[name].cpu, said["cpu"])
    return found


def _wait_for_gpu() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


def machine() -> str:
    """Processor, cores, threads that torch uses, GPU, versions, and the load when asked."""
    import torch

    parts = [_processor(), f"{os.cpu_count()} cores", f"{torch.get_num_threads()} torch thread(s)"]
    if torch.cuda.is_available():
        parts.append(torch.cuda.get_device_name())
    parts += [f"torch {torch.__version__}", f"Python {platform.python_version()}"]
    if hasattr(os, "getloadavg"):
        parts.append(f"load {os.getloadavg()[0]:.1f} at the start")
    return ", ".join(parts)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    told = dict(line.replace("\t", "").split(": ", 1) for line in lines if ": " in line)
    return f"{told.get('model name', platform.machine())} (family {told.get('cpu family', '?')})"


def versus(ours: Timing, peer: Timing) -> dict[str, float]:
    """The seconds of a row: ratio above 1 means that ours is faster."""
    return {
        "ours_s": round(ours.wall, 3),
        "peer_s": round(peer.wall, 3),
        "ratio": round(peer.wall / ours.wall, 3),
        "ours_cpu_s": round(ours.cpu, 3),
        "peer_cpu_s": round(peer.cpu, 3),
        "cpu_ratio": round(peer.cpu / ours.cpu, 3),
    }


def write(name: str, rows: list[dict]) -> Path:
    """benchmarks/out/<name>.json, one object a row."""
    OUT.mkdir(exist_ok=True)
    path = OUT / f"{name}.json"
    path.write_text(json.dumps(rows, indent=1) + "\n")
    return path


def summary(names: list[str]) -> list[dict[str, object]]:
    """What `make bench` ends with: one line a row of the benchmarks of these names; None is shown as nothing."""
    lines: list[dict[str, object]] = []
    for name in names:
        path = OUT / f"{name}.json"
        for row in json.loads(path.read_text()) if path.is_file() else []:
            kept = {
                "benchmark": name,
                "name": row["name"],
                "ours, s": row["ours_s"],
                "peer, s": row["peer_s"],
            }
            told = {"peer": row["peer"], "ratio": row["ratio"], "goal": row.get("goal")}
            lines.append({k: "" if v is None else v for k, v in {**kept, **told}.items()})
    return lines


def show(title: str, rows: list[dict]) -> None:
    """A table on the terminal; the keys of the first row are its headings."""
    table = Table(*rows[0], title=title, show_lines=True)
    for row in rows:
        table.add_row(*(f"{v:.2f}" if isinstance(v, float) else str(v) for v in row.values()))
    console = Console()
    # Too narrow a terminal would cut the numbers into pieces; long lines can be scrolled.
    (console if console.width >= 130 else Console(width=130)).print(table)
