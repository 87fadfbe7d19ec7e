"""AutoAttack on networks of CIFAR size beside pyautoattack 0.2.0, each in a process of its own, in turns.

    python benchmarks/autoattack.py             # about 10 minutes on one thread
    python benchmarks/autoattack.py --scene 0   # one scene

Ours runs as `redoubt attack` does, in a process that keeps its memory; the peer runs in a plain process, and in one
that keeps its memory too. All three make the same settings of `standard` on the same images; the row says whether the
survivors of every stage are the same. Prints a table and writes benchmarks/out/autoattack.json; nothing is asserted
on time.
"""

import argparse
import json
import logging
import tempfile
import time
from pathlib import Path

SETTINGS = {"steps": 10, "queries": 250}  # a tenth and a twentieth of `standard`: passes cost what they cost
WIDE = {"name": "wrn", "depth": 10, "widen": 2}
PREACT = {"name": "preactresnet18", "width": 16}
# name, network, images, radius in training, radius of the attack
SCENES = (
    ("WRN-10-2, most fall", WIDE, 250, 0.2, 0.2),
    ("WRN-10-2, many stand", WIDE, 250, 0.2, 0.1),
    ("PreActResNet-18 width 16", PREACT, 250, 0.1, 0.1),
)
SIDES = {
    "redoubt": ("redoubt", True),
    "pyautoattack": ("pyautoattack", False),
    "pyautoattack, memory kept": ("pyautoattack", True),
}


def child(file: str, side: str, eps: float) -> None:
    """Prints what one side took and found."""
    backend, keep = SIDES[side]
    if keep:
        from redoubt.cli import memory

        memory.keep()
    import torch

    from redoubt import attacks, models

    logging.disable(logging.WARNING)  # the reference logs its own checks
    torch.set_num_threads(1)
    held = torch.load(file, weights_only=True)
    model = models.classifier(
        **held["network"], num_classes=10, in_channels=1, image_size=held["x"].shape[-1]
    )
    model.load_state_dict(held["model"])
    run = attacks.get("autoattack")
    wall, cpu = time.perf_counter(), time.process_time()
    result = run(model.eval(), held["x"], held["y"], eps=eps, norm="linf", backend=backend, **SETTINGS)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(
        json.dumps(
            {
                "wall": wall, "cpu": cpu, "passes": round(result.forward / len(held["x"])),
                "stages": [(s["name"], s["standing"]) for s in result.info["stages"]],
                "bits": [s["bits"] for s in result.info["stages"]],
            }
        )
    )  # fmt: skip


def rows(name: str, network: dict, images: int, trained: float, eps: float, turns: int) -> list[dict]:
    """Ours against each peer."""
    import torch
    from harness import apart, versus

    from attacks import robust_scene

    scene = robust_scene(f"{name}, 32x32 digits", network, 32, images, trained, 4, "cpu")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "scene.pt"
        held = {"network": network, "model": scene.model.state_dict(), "x": scene.x, "y": scene.y}
        torch.save(held, file)
        timed = apart({side: [__file__, "--child", str(file), side, str(eps)] for side in SIDES}, turns)
    ours, *peers = SIDES
    mine = timed[ours].value
    return [
        {
            "name": f"AutoAttack standard, linf {eps:g}, {SETTINGS}", "peer": peer, "scene": name, "n": images,
            **versus(timed[ours], timed[peer]),
            "robust": round(mine["stages"][-1][1] / images, 4),
            "same_survivors": mine["bits"] == timed[peer].value["bits"],
            "stages": mine["stages"],
            "ours_passes": mine["passes"], "peer_passes": timed[peer].value["passes"],
        }
        for peer in peers
    ]  # fmt: skip


def main() -> None:
    """Prints the table and writes benchmarks/out/autoattack.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=2, help="processes of each kind, in alternation")
    parser.add_argument("--scene", type=int, choices=range(len(SCENES)), help="one scene only")
    parser.add_argument("--child", nargs=3, metavar=("FILE", "SIDE", "EPS"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        file, side, eps = given.child
        child(file, side, float(eps))
        return
    import torch
    from harness import machine, show, write

    torch.set_num_threads(1)
    where = machine()
    chosen = SCENES if given.scene is None else SCENES[given.scene : given.scene + 1]
    found = [{**row, "machine": where} for scene in chosen for row in rows(*scene, given.turns)]
    write("autoattack", found)
    show(where, [_printed(row) for row in found])


def _printed(row: dict) -> dict[str, object]:
    return {
        "attack": f"{row['name']}\n{row['scene']}, {row['n']} images",
        "peer": row["peer"],
        "CPU s": f"{row['ours_cpu_s']} / {row['peer_cpu_s']}",
        "ratio of CPU s": row["cpu_ratio"],
        "of wall s": row["ratio"],
        "robust": f"{100 * row['robust']:.1f} %",
        "survivors": "the same" if row["same_survivors"] else "DIFFER",
        "forward an image": f"{row['ours_passes']} / {row['peer_passes']}",
    }


if __name__ == "__main__":
    main()
