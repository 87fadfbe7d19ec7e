"""A project folder with evidence of variants of every paper, made up: what is drawn is tested, not what is found."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from redoubt import data
from redoubt.config import attacks_of, load_study, resolve
from redoubt.evaluation.settings import path_of
from redoubt.records.files import write_json, write_record
from redoubt.records.packed_booleans import pack
from redoubt.reports import exhibits, tables
from redoubt.training.checkpoints import Checkpoints
from redoubt.workflow.snakefile import Dag

HERE = {"source": "ours: tests"}
HALF = {"value": 0.5, **HERE}
MAE = {"purifier": {"value": "mae", **HERE}}
IMAGES = 40
EOT = {"attack": "pgd", "params": {"eot": 2}, "runs": ["purifier/*", "atop*/*"], "role": "diagnostic"}
STUDY = {
    "name": "small",
    "about": "tests",
    "data": {"name": "digits", "validation": 30, "test": IMAGES, "train": 128},
    "architecture": {"name": "small_cnn", "options": {"width": 2}, **HERE},
    "threat": {"norm": "linf", "eps": 0.1, **HERE},
    "training": {"epochs": 2, "optimizer": "adam", "lr": 0.01, "validation_steps": 1, **HERE},
    "seeds": [0],
    "evaluation": {
        "attacks": {
            "fgsm": {"attack": "fgsm"},
            "pgd50": {"attack": "pgd", "params": {"steps": 2}},
            "pgd50_last": {
                "attack": "pgd", "params": {"steps": 2}, "checkpoint": "last", "role": "diagnostic",
            },
            "strength": {
                "attack": "pgd", "params": {"steps": 2}, "eps": [0.05, 0.2], "seeds": "first",
                "role": "diagnostic",
            },
            "inverse": {"attack": "inverse", "params": {"steps": 2}, "eps": [0.1], "role": "diagnostic"},
            "pgd20_eot10": {**EOT, "role": "main"},
            "oblivious": EOT,
            "eot_1": EOT,
            "eot_10": EOT,
            "stadv": {**EOT, "attack": "stadv", "params": {}},
            "l2": {**EOT, "norm": "l2", "eps": 0.5},
            "oblivious_pssr": {**EOT, "view": "oblivious", "runs": ["pssr/*"]},
            "bpda_mask": {**EOT, "view": "bpda_mask", "runs": ["pssr/*"]},
            "corruption_fog": {"attack": "corruption", "params": {"family": "fog"}, "role": "diagnostic"},
        }
    },
    "defenses": {
        "standard": {"variants": {"main": {"seeds": [0, 1]}}},
        "pgd_at": {"params": {"steps": {"value": 1, **HERE}}, "variants": {"main": {"seeds": [0, 1]}}},
        "trades": {"params": {"steps": {"value": 1, **HERE}}},
        "uiat": {
            "params": {"steps": {"value": 1, **HERE}},
            "variants": {
                "main": {"seeds": [0, 1]},
                "no_momentum": {"params": {"momentum": {"value": 0.0, **HERE}}},
                "one_off": {"params": {"one_off": HALF}},
                "iat": {"params": {"perturbation": {"value": "instance", **HERE}}},
                "lambda_1": {"params": {"lam": {"value": 1.0, **HERE}}},
            },
        },
        "fgsm_rs": {"variants": {"main": {}, "uiat": {"params": {"lam": HALF}}}},
        "cure": {
            "params": {"steps": {"value": 1, **HERE}},
            "variants": {
                "main": {},
                "no_rgp": {"params": {"p": {"value": 0.0, **HERE}}},
                "p_10": {"params": {"p": {"value": 0.1, **HERE}}},
            },
        },
        "purifier": {"variants": {"main": {"seeds": [0, 1]}, "rt1": {}, "mae": {"params": MAE}}},
        "atop": {
            "variants": {
                "main": {"seeds": [0, 1]},
                "rt1": {"starts_from": "purifier/rt1", "params": {"transform": {"value": "rt1", **HERE}}},
                "mae": {"starts_from": "purifier/mae", "params": MAE},
                "fixed_mask": {"params": {"deployed_masks": {"value": "fixed", **HERE}}},
                "lam_050": {"params": {"lam": HALF}},
            }
        },
        "atop_transfer": {"variants": {"main": {}, "no_atop": {"starts_from": "purifier/main"}}},
        "vaft": {"variants": {"main": {"seeds": [0, 1]}}},
        "arrest": {},
        "afd": {
            "variants": {
                "main": {"seeds": [0, 1]},
                "no_alignment": {"params": {"gamma": {"value": 0.0, **HERE}}},
                "alpha_02": {"params": {"alpha": {"value": 0.2, **HERE}}},
            }
        },
        "pssr": {
            "variants": {"main": {}, "no_surgery": {"params": {"kept": {"value": "all", **HERE}}}},
        },
        "block_freezing": {
            "params": {"never_frozen": {"value": [], **HERE}, "steps": {"value": 1, **HERE}},
            "variants": {
                "u_1": {"params": {"update": {"value": ["stem"], **HERE}}},
                "u_23": {"params": {"update": {"value": ["block1", "block2"], **HERE}}},
            },
        },
    },
}  # fmt: skip


def bits(seed: int, name: str, n: int) -> np.ndarray:
    """Which images are right: fewer under attack, others for every run."""
    share = 0.9 if name.startswith("clean") else 0.5
    return np.random.default_rng(seed).random(n) < share


def result(study, run, number: int) -> dict:
    """A result record with made-up bits."""
    rows = []
    specs = attacks_of(study, run.of, run.seed)
    for i, name in enumerate(["clean", *specs]):
        spec, right = specs.get(name), bits(100 * number + i, name, IMAGES)
        rows.append(
            {
                "name": name, "attack": spec.attack if spec else "none", "view": "deployed",
                "checkpoint": spec.checkpoint if spec else "best", "role": spec.role if spec else "main",
                "norm": "linf", "eps": spec.eps if spec else 0.0, "n": IMAGES, "correct": pack(right),
                "correct_count": int(right.sum()), "max_perturbation": 0.0, "seconds": 1.0,
                "info": {"easier_half": pack(np.arange(IMAGES) < IMAGES // 2), "family": "fog", "severity": 3},
            }
        )  # fmt: skip
    check = {
        "name": "perturbation_within_bound",
        "value": 0.0,
        "limit": 1e-5,
        "passed": number != 3,
        "why": "it",
    }
    v = run.of
    named = {"study": v.study, "defense": v.defense, "variant": v.variant, "seed": run.seed}
    return {"run": named, "evaluations": rows, "checks": [check], "training_seconds": 2.0 + number}


def training(run, number: int) -> dict:
    """A training record with a made-up history."""
    blocks = {f"{kind}_{b}": 0.1 for kind in ("gradient", "updated") for b in ("stem", "block1", "block2")}
    blocks |= dict.fromkeys(("feature_gap", "accuracy_z1", "accuracy_z2"), 0.2 + 0.1 * number)
    history = [
        {"epoch": i, "clean": 0.5 + 0.1 * i, "robust": 0.3 + 0.01 * ((number + i) % 3), "loss": 1.0, **blocks}
        for i in range(4)
    ]
    v = run.of
    named = {"study": v.study, "defense": v.defense, "variant": v.variant, "seed": run.seed}
    about = {"best_epoch": 1, "selected_on": "validation robust accuracy", "seconds": 2.0 + number}
    return {"run": named, "history": history, **about}


def claim(verdict: str, paper: str, study: str | None, low: float, high: float) -> dict:
    """A row of reports/claims.json with one comparison."""
    found = {
        "text": "a", "left": "cure/main", "right": "pgd_at/main", "measure": "accuracy", "attack": "worst",
        "metric": None, "expect": "higher", "against": None, "tolerance": 0.01, "unit": "points",
        "value": (low + high) / 2, "interval": [low, high], "outcome": verdict, "seeds": 2, "n": IMAGES,
    }  # fmt: skip
    about = {"paper": paper, "id": "c1", "kind": "direction", "study": study, "unit": "points"}
    text = {
        "claim": "it helps",
        "paper_value": None,
        "says": None,
        "by": "paper",
        "status": "direction",
        "source": "paper",
        "protocol": {},
        "differences": [],
        "why": "",
        "cost": None,
    }
    ours = {"ours": found["value"], "interval": found["interval"], "evidence": []}
    return {**about, **text, **ours, "verdict": verdict, "comparisons": [found]}


CLAIMS = [
    claim("direction fails", "2401.14948", "small", -3.0, -1.0),
    claim("direction holds", "2401.14948", "small", 1.0, 3.0),
    claim("not told apart", "2211.00525", "small", -1.0, 2.0),
    claim("direction holds", "2211.00525", "another study", 5.0, 6.0),
]


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Path:
    """Untrained weights, made-up results and records, and the tables and the list of exhibits made of them."""
    root = tmp_path_factory.mktemp("evidence")
    (root / "studies").mkdir()
    (root / "studies" / "small.yaml").write_text(yaml.safe_dump(STUDY, sort_keys=False))
    (root / "config.yaml").write_text("studies: {small: {start_from: scratch}}\nmirror: null\n")
    study = load_study(root / "studies" / "small.yaml")
    data.prepare("digits", root / "data" / "small", validation=30, test=IMAGES, train=128)
    files, records = [], []
    runs = [v.run(seed) for v in resolve(study) for seed in v.seeds]
    for number, run in enumerate(runs):
        torch.manual_seed(0)  # equal classifiers: some images are right for all of them
        kept = Checkpoints(root, run)
        kept.finish({"best": kept.defense.build().state_dict()}, training(run, number))
        records.append(kept.record_file)
        files.append(path_of(root, run))
        write_record(files[-1], result(study, run, number))
    listing, claims = root / "reports" / "exhibits.json", root / "reports" / "claims.json"
    write_json(claims, CLAIMS)
    write_json(listing, exhibits.listing(Dag(root).held))
    found = tables.build(files, records, listing, claims)
    tables.write(found, root / "reports/tables", root / "reports/all_tables")
    return root
