"""Memory that stays with the process, and bf16: PGD-10 training in processes of their own, in turns.

    python benchmarks/memory.py

The peer is a plain process in float32. Each process trains a PreActResNet-18 of width 16 on 32x32 images (batch 128),
or the small CNN on 8x8 images (batch 64), and gives the best of its steps. Prints a table and writes
benchmarks/out/memory.json; nothing is asserted on time.
"""

import argparse
import json
import resource
import sys
import time

NETWORKS = {
    "PreActResNet-18 width 16, 32x32": {"name": "preactresnet18", "width": 16, "side": 32, "channels": 3, "batch": 128},
    "small CNN width 16, 8x8": {"name": "small_cnn", "width": 16, "side": 8, "channels": 1, "batch": 64},
}  # fmt: skip
SIDES = {
    "plain process, float32": ("float32", False),
    "memory kept, float32": ("float32", True),
    "plain process, bf16": ("bf16", False),
    "memory kept, bf16": ("bf16", True),
}


def child(network: str, side: str, steps: int) -> None:
    """Prints the best step of one process, its page faults a step and its peak of memory."""
    precision, keep = SIDES[side]
    if keep:
        from redoubt.cli import memory

        memory.keep()
    import torch

    from redoubt import models
    from training import CLASSES, Ours, settings

    torch.set_num_threads(1)
    torch.manual_seed(0)
    n = NETWORKS[network]
    size, channels = n["side"], n["channels"]
    x = torch.randint(256, (4 * n["batch"], channels, size, size), dtype=torch.uint8)
    y = torch.randint(CLASSES, (4 * n["batch"],))
    model = models.classifier(
        n["name"], width=n["width"], num_classes=CLASSES, in_channels=channels, image_size=size
    )
    loop = Ours(model, x, y, n["batch"], settings(precision=precision))
    loop.run(2)
    best, began = {"wall": float("inf"), "cpu": float("inf")}, resource.getrusage(resource.RUSAGE_SELF)
    for _ in range(steps):
        wall, cpu = time.perf_counter(), time.process_time()
        loop.run(1)
        best["wall"] = min(best["wall"], time.perf_counter() - wall)
        best["cpu"] = min(best["cpu"], time.process_time() - cpu)
    used = resource.getrusage(resource.RUSAGE_SELF)
    faults = (used.ru_minflt - began.ru_minflt) // steps
    print(json.dumps({**best, "faults": faults, "peak_mib": used.ru_maxrss // 1024}))


def rows(network: str, turns: int, steps: int) -> list[dict]:
    """One row a side, the plain float32 process first."""
    from harness import apart, versus

    timed = apart(
        {side: [__file__, "--child", network, side, "--steps", str(steps)] for side in SIDES}, turns
    )
    peer = next(iter(SIDES))
    return [
        {
            "name": f"PGD-10 training, {network}: {side}",
            "peer": peer,
            **versus(timed[side], timed[peer]),
            "images_per_s": round(NETWORKS[network]["batch"] / timed[side].cpu, 1),
            **{k: timed[side].value[k] for k in ("faults", "peak_mib")},
        }
        for side in SIDES
    ]


def main() -> None:
    """Prints the table and writes benchmarks/out/memory.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=3, help="processes of each kind, in alternation")
    parser.add_argument("--steps", type=int, default=5, help="of training in a process, after two")
    parser.add_argument("--child", nargs=2, metavar=("NETWORK", "SIDE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(*given.child, given.steps)
        return
    if sys.platform != "linux":
        print("memory.py: nothing is kept on this system")
        return
    import torch
    from harness import machine, show, write

    torch.set_num_threads(1)
    where = machine()
    found = [
        {**row, "machine": where} for network in NETWORKS for row in rows(network, given.turns, given.steps)
    ]
    write("memory", found)
    show(where, [_printed(row) for row in found])


def _printed(row: dict) -> dict[str, object]:
    return {
        "training": row["name"],
        "CPU s a step": f"{row['ours_cpu_s']:.3f}",
        "images a CPU s": row["images_per_s"],
        "ratio": row["cpu_ratio"],
        "page faults a step": row["faults"],
        "peak, MiB": row["peak_mib"],
    }


if __name__ == "__main__":
    main()
