"""Result records small enough to check by hand."""

import numpy as np

from redoubt.records.files import write_record
from redoubt.records.packed_booleans import pack


def entry(name, bits, **more):
    bits = np.asarray(bits, bool)
    return {
        "name": name, "attack": "pgd", "checkpoint": "best", "view": "deployed", "surrogate": None, "role": "main",
        "norm": "linf", "eps": 0.1, "params": {}, "seed": 0, "n": len(bits), "correct_count": int(bits.sum()),
        "correct": pack(bits), "max_perturbation": 0.1, "seconds": 1.0,
        "info": {"easier_half": pack(np.arange(len(bits)) < 2)}, **more,
    }  # fmt: skip


CHECK = {"name": "perturbation_within_bound", "value": 0.0, "limit": 1e-5, "passed": True, "why": "fine"}


def record(folder, defense, seed, rows, checks=(CHECK,)):
    path = folder / "results" / "toy" / defense / "main" / f"seed{seed}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    run = {"study": "toy", "defense": defense, "variant": "main", "seed": seed}
    write_record(path, {"run": run, "evaluations": rows, "checks": checks, "training_seconds": 2.0})
    return path


def two_seeds(folder):
    """Two seeds of one run, of which the first faced one attack more."""
    ones = np.ones(10)
    a, b = ones.copy(), ones.copy()
    a[0], b[1] = 0, 0
    clean = entry("clean", ones, eps=0.0)
    first = [clean, entry("a", a), entry("b", b), entry("only", b * 0)]
    second = [clean, entry("a", a), entry("b", a)]
    return [record(folder, "pgd_at", 0, first), record(folder, "pgd_at", 1, second)]
