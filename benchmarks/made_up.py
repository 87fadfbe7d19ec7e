"""A study of any size and the files of it when it has run, made up: for `growth.py`."""

import json
from pathlib import Path

import numpy as np

from redoubt import data
from redoubt.config import load_study, resolve
from redoubt.records.files import write_record
from redoubt.records.packed_booleans import pack

DEFENSES = ("pgd_at", "trades", "mart", "uiat", "fgsm_rs")
ATTACKS = {"clean": 0.9, "fgsm": 0.6, "pgd50": 0.5, "screen": 0.45}
IMAGES, EPOCHS, STUDY = 500, 12, "grown"
MODULES = [f"redoubt.part{i}.module" for i in range(45)]
HASH = "a" * 64
PROVENANCE = {
    "command": "redoubt attack", "started": "2026-01-02T03:04:05Z", "seconds": 1.5, "commit": "b" * 40, "dirty": False,
    "versions": {"python": "3.11", "torch": "2.14.1"}, "hardware": "none", "tf32": None, "threads": 1,
}  # fmt: skip
FINGERPRINT = {"config": "c" * 64, "code": "d" * 64, "modules": dict.fromkeys(MODULES, HASH)}


def names(variants: int) -> list[tuple[str, str]]:
    """(defense, variant), as many of each defense."""
    each = -(-variants // len(DEFENSES))
    made = [(d, f"v{i:05d}" if i else "main") for d in DEFENSES for i in range(each)]
    return [("standard", "main"), *made][:variants]


def study(root: Path, variants: int) -> None:
    """The study file and config.yaml. A variant differs from its neighbors in the learning rate."""
    # JSON is YAML.
    here = {"source": "ours: benchmark"}
    grid: dict[str, dict] = {}
    for i, (defense, variant) in enumerate(names(variants)):
        rate = {"training": {"lr": round(0.001 + 1e-6 * i, 7)}} if variant != "main" else {}
        grid.setdefault(defense, {"variants": {}})["variants"][variant] = rate
    content = {
        "name": STUDY, "about": "as many variants as asked for",
        "data": {"name": "digits", "validation": 50, "test": IMAGES},
        "architecture": {"name": "small_cnn", "options": {"width": 4}, **here},
        "threat": {"norm": "linf", "eps": 0.1, **here},
        "training": {"epochs": EPOCHS, "optimizer": "adam", "lr": 0.01, **here},
        "seeds": [0],
        "evaluation": {
            "attacks": {
                "fgsm": {"attack": "fgsm"},
                "pgd50": {"attack": "pgd", "params": {"steps": 50}},
                "screen": {"attack": "screen", "params": {"steps": 50, "targets": 3}},
            }
        },
        "defenses": grid,
    }  # fmt: skip
    (root / "studies" / f"{STUDY}.yaml").write_text(json.dumps(content, indent=1))
    (root / "config.yaml").write_text(f"studies: {{{STUDY}: {{start_from: scratch}}}}\nmirror: null\n")


def evidence(root: Path, variants: int) -> None:
    """The files of a finished study, records whole and of the size of real ones, weights empty."""
    read = load_study(root / "studies" / f"{STUDY}.yaml")
    settings = {v.name: v.settings() for v in resolve(read)}
    data.prepare("digits", root / "data" / STUDY, validation=read.data.validation, test=read.data.test)
    for number, (defense, variant) in enumerate(names(variants)):
        run = {"study": STUDY, "defense": defense, "variant": variant, "seed": 0}
        place = Path(STUDY, defense, variant)
        trained = root / "checkpoints" / place / "seed0"
        write_record(trained / "record.json", training(run, number))
        for which in ("best", "last"):
            (trained / f"{which}.safetensors").touch()
        write_record(
            root / "results" / place / "seed0.json", result(run, number, settings[f"{defense}/{variant}"])
        )


def training(run: dict, number: int) -> dict:
    """A training record."""
    rows = [
        {
            "epoch": e,
            "clean": 0.5 + e / 50,
            "robust": 0.3 + (number % 7) / 50,
            "lr": 0.01,
            "loss": 2.0 - e / 10,
        }
        for e in range(EPOCHS)
    ]
    about = {"best_epoch": EPOCHS - 2, "selected_on": "validation robust accuracy", "seconds": 3.0}
    return {
        "schema": 1,
        "run": run,
        "history": rows,
        "fingerprint": FINGERPRINT,
        "provenance": PROVENANCE,
        **about,
    }


def result(run: dict, number: int, settings: dict) -> dict:
    """A result record: other bits for every run."""
    rows = []
    for i, (name, share) in enumerate(ATTACKS.items()):
        right = np.random.default_rng([number, i]).random(IMAGES) < share
        rows.append(
            {
                "name": name, "attack": "none" if name == "clean" else name, "checkpoint": "best", "view": "deployed",
                "surrogate": None, "role": "main", "norm": "linf", "eps": 0.0 if name == "clean" else 0.1,
                "params": {}, "seed": 0, "n": IMAGES, "correct": pack(right), "correct_count": int(right.sum()),
                "max_perturbation": 0.1, "seconds": 1.0, "forward": 50, "backward": 50,
                "info": {"easier_half": pack(np.arange(IMAGES) < IMAGES // 2)},
            }
        )  # fmt: skip
    check = {"value": 0.5, "limit": 1.0, "passed": True, "why": "what this check says, in a sentence"}
    weights = {"path": "checkpoints/best.safetensors", "sha256": HASH, "epoch": EPOCHS - 2}
    return {
        "schema": 1, "run": run, "paper": "1706.06083", "about": "", "config": settings,
        "sources": {"steps": "ours: benchmark"}, "fingerprint": FINGERPRINT,
        "checkpoints": {"best": weights, "last": weights}, "threat": {"norm": "linf", "eps": 0.1},
        "data": {"name": "digits", "n": IMAGES, "split": "test", "sha256": HASH},
        "training": {"fingerprint": FINGERPRINT, "provenance": PROVENANCE}, "training_seconds": 3.0,
        "evaluations": rows, "checks": [{"name": f"check_{i}", **check} for i in range(8)], "provenance": PROVENANCE,
    }  # fmt: skip
