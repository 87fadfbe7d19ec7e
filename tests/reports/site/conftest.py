"""A reports folder made of records written by hand, with hostile text wherever text comes from a file."""

import json

import numpy as np
import pytest

from redoubt.records.files import write_json, write_record
from redoubt.records.packed_booleans import pack
from redoubt.records.shipped import LEDGER, empty
from redoubt.reports import site, tables

HOSTILE = "\"><script>alert('x')</script><img src=x onerror=alert(1)> & {{ 7 * 7 }} " + "Silbentrennung" * 12
PROVENANCE = {
    "command": "redoubt attack toy/pgd_at/main", "started": "2026-01-02T03:04:05Z", "seconds": 1.5, "commit": None,
    "dirty": None, "versions": {"python": "3.11", "torch": None}, "hardware": "a processor, 2 cores", "tf32": None,
    "threads": 1,
}  # fmt: skip
FINGERPRINT = {"config": "c" * 64, "code": "d" * 64, "modules": {"redoubt.training.trainer": "e" * 64}}
VERDICTS = (
    "reproduced", "direction holds", "direction fails", "lower", "higher: check the attack", "flagged",
    "not comparable", "not run", "not told apart", "a verdict of tomorrow",
)  # fmt: skip


def evaluation(name, share, seed, **more):
    bits = np.random.default_rng(seed).random(40) < share
    return {
        "name": name, "attack": "none" if name == "clean" else "pgd", "checkpoint": "best", "view": "deployed",
        "surrogate": None, "role": "main", "norm": "linf", "eps": 0.1, "params": {"steps": 50}, "seed": 0, "n": 40,
        "correct_count": int(bits.sum()), "correct": pack(bits), "max_perturbation": 0.1, "seconds": 1.0, "forward": 1,
        "backward": 1, "info": {"easier_half": pack(np.arange(40) < 20)}, **more,
    }  # fmt: skip


def result(root, defense, variant, seed, attacks):
    run = {"study": "toy", "defense": defense, "variant": variant, "seed": seed}
    weights = {"path": "checkpoints/best.safetensors", "sha256": "a" * 64, "epoch": 1}
    path = root / "results" / "toy" / defense / variant / f"seed{seed}.json"
    write_record(
        path,
        {
            "run": run, "paper": {"pgd_at": "1706.06083", "cure": "2401.14948"}.get(defense), "about": HOSTILE,
            "config": {"params": {"steps": 7}, "training": {"epochs": 2}, "threat": {"eps": 0.1}},
            "sources": {"steps": HOSTILE}, "fingerprint": FINGERPRINT, "checkpoints": {"best": weights},
            "data": {"name": "digits", "n": 40, "split": "test", "sha256": "f" * 64},
            "threat": {"norm": "linf", "eps": 0.1}, "training_seconds": 3.0, "evaluations": attacks,
            "training": {"fingerprint": FINGERPRINT, "provenance": PROVENANCE},
            "checks": [{"name": "iterative", "value": 0.5, "limit": 0.1, "passed": seed == 0, "why": HOSTILE}],
            "provenance": PROVENANCE,
        },
    )  # fmt: skip
    return path


def training(root, defense, variant, seed):
    path = root / "checkpoints" / "toy" / defense / variant / f"seed{seed}" / "record.json"
    rows = [{"epoch": i, "clean": 0.5 + i / 4, "robust": 0.2 + i / 4, "loss": 2.0 - i} for i in range(2)]
    run = {"study": "toy", "defense": defense, "variant": variant, "seed": seed}
    content = {"run": run, "history": rows, "best_epoch": 1, "selected_on": "validation robust accuracy"}
    write_record(path, {**content, "seconds": 3.0, "fingerprint": FINGERPRINT, "provenance": PROVENANCE})
    return path


def claims():
    compared = {
        "text": HOSTILE, "left": "cure/main", "right": "pgd_at/main", "measure": "accuracy", "attack": "worst",
        "metric": None, "expect": "higher", "tolerance": 0.01, "against": None, "unit": "points", "value": -5.0,
        "sides": [45.0, 50.0], "interval": [-9.0, -1.0], "outcome": "direction fails", "seeds": 2, "used": [0, 1],
        "n": 40, "discordant": [3, 7], "bootstrap": {"seed": 0, "draws": 2000},
        "same_attacks": None, "all_attacks": None,
    }  # fmt: skip
    whole = {"value": 1.0, "interval": [-1.0, 3.0], "outcome": "direction holds"}
    other = {"same_attacks": ["clean", "pgd50"], "all_attacks": whole, "outcome": "not told apart"}
    kept = {
        "headline": False, "by": "paper", "status": "supported", "source": f"unverified {HOSTILE}", "note": HOSTILE,
        "test": HOSTILE, "says": None, "protocols": [],
    }  # fmt: skip
    beside = [
        {"what": "seeds", "paper": None, "here": "0, 1"},
        {"what": "epochs", "paper": HOSTILE, "here": "2"},
    ]
    return [
        {
            "paper": "2401.14948", "title": "Conserve-Update-Revise " + HOSTILE, "file": "claims/cure.yaml",
            "id": f"c{i}", "claim": HOSTILE, "kind": "direction", "paper_value": None if i else 52.25,
            "protocol": {"dataset": "cifar10"}, "study": "toy" if i % 2 else None, "ours": None if i else -5.0,
            "interval": None if i else [-9.0, -1.0], "unit": None if i else "points",
            "differences": [f"data: {HOSTILE}"], "verdict": verdict, "direction": None, "why": HOSTILE,
            "cost": None if i else "3 GPU hours",
            "comparisons": {
                0: [compared], 1: [{**compared, "value": -4.0, "outcome": "direction holds"}, compared],
                2: [{**compared, **other}],
            }.get(i, []),
            **kept, "protocols": beside,
            **({"by": "ours", "status": "control"} if i == 9 else {"status": "contradicted"} if i == 8 else {}),
            "evidence": ["results/toy/cure/main/seed0.json", "elsewhere"],
        }
        for i, verdict in enumerate(VERDICTS)
    ] + [
        {
            "paper": "2401.14948", "title": "Conserve-Update-Revise " + HOSTILE, "file": "claims/cure.yaml", "id": "n1",
            "claim": HOSTILE, "kind": "context", "paper_value": 50.5, "protocol": {}, "study": None, "ours": None,
            "interval": None, "unit": None, "differences": [], "verdict": "not comparable", "direction": None,
            "why": HOSTILE, "cost": None, "comparisons": [], "evidence": [], **kept,
        }
    ]  # fmt: skip


def fidelity():
    effect = {
        "variant": "pgd_at/main",
        "against": "pgd_at/other",
        "study": "toy",
        "attack": "worst",
        "points": -2.5,
        "interval": [-4.0, -1.0],
        "seeds": 3,
        "n": 40,
    }
    deviation = {
        "key": "start", "what": f"the start {HOSTILE}", "theirs": HOSTILE, "ours": HOSTILE, "reason": HOSTILE,
        "variant": "pgd_at/main", "studies": ["toy", "other"], "effect": [effect],
    }  # fmt: skip
    equal = {"what": HOSTILE, "to": "1e-9", "test": "tests/fidelity/test_pgd_at.py::test_steps"}
    return [
        {
            "method": f"PGD-AT {HOSTILE}",
            "defenses": ["pgd_at"],
            "code": HOSTILE,
            "equal": [equal],
            "deviations": [deviation],
        },
        {"method": "CURE", "defenses": ["cure", "cure_eff"], "code": None, "not_compared": [HOSTILE]},
    ]


@pytest.fixture(scope="session")
def evidence(tmp_path_factory):
    """The reports folder without its site, and the record files."""
    root = tmp_path_factory.mktemp("evidence")
    shares = {"standard": (0.95, 0.02), "pgd_at": (0.9, 0.5), "cure": (0.85, 0.45)}
    found, trained = [], []
    for defense, (clean, robust) in shares.items():
        for seed in range(1 if defense == "standard" else 2):
            rows = [evaluation("clean", clean, seed, eps=0.0), evaluation("pgd50", robust, seed)]
            found.append(result(root, defense, "main", seed, rows))
            trained.append(training(root, defense, "main", seed))
    reports = root / "reports"
    tables.write(tables.build(found, trained), reports / "tables", reports / "all_tables")
    (reports / "figures").mkdir()
    for ending in ("svg", "png"):
        (reports / "figures" / f"curve.{ending}").write_text(
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 20"><circle cx="9" cy="9" r="8"/></svg>'
        )
    listed = {"figures": [{"figure": "curve", "caption": HOSTILE, "found": "it bends", "sha256": {}}]}
    (reports / "all_figures").write_text(json.dumps(listed))
    (reports / "claims.json").write_text(json.dumps(claims()))
    (reports / "README.md").write_text("of redoubt evidence")
    (reports / "evidence").mkdir()
    (reports / "evidence" / "toy.md").write_text("of redoubt evidence")
    missing = ["cure/wider/seed0", "cure/wider/seed1", "pgd_at/main/seed1"]  # the last was made since
    held = {"bytes": 0, "missing": missing, "records": {}}
    write_json(root / LEDGER, {**empty(), "studies": {"toy": held}})
    (root / "fidelity").mkdir()
    for method in fidelity():
        path = root / "fidelity" / f"{method['defenses'][0]}.yaml"
        path.write_text(json.dumps(method))  # JSON is YAML
    return reports, found, trained, root / "fidelity"


@pytest.fixture(scope="session")
def reports(evidence):
    """The reports folder with its site."""
    site.write(*evidence)
    return evidence[0]
