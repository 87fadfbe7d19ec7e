"""A project folder with the evidence of a few variants: seconds of training, so its numbers mean nothing."""

from pathlib import Path

import pytest
import yaml

from redoubt import data, exhibits, tables
from redoubt.config import load_study, resolve
from redoubt.evaluation import attack_run, path_of
from redoubt.provenance import write_json
from redoubt.training import Trainer
from redoubt.workflow import Plan

HERE = {"source": "ours: tests"}
CLASS = {"value": 0.5, **HERE}
STUDY = {
    "name": "small",
    "about": "tests",
    "data": {"name": "digits", "validation": 30, "test": 40, "train": 128},
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
            "corruption_fog": {"attack": "corruption", "params": {"family": "fog"}, "role": "diagnostic"},
        }
    },
    "defenses": {
        "standard": {},
        "pgd_at": {"params": {"steps": {"value": 1, **HERE}}, "variants": {"main": {"seeds": [0, 1]}}},
        "trades": {"params": {"steps": {"value": 1, **HERE}}},
        "uiat": {
            "params": {"steps": {"value": 1, **HERE}},
            "variants": {
                "main": {"seeds": [0, 1]},
                "no_momentum": {"params": {"momentum": {"value": 0.0, **HERE}}},
                "one_off": {"params": {"one_off": CLASS}},
                "iat": {"params": {"perturbation": {"value": "instance", **HERE}}},
                "lambda_1": {"params": {"lam": {"value": 1.0, **HERE}}},
            },
        },
        "fgsm_rs": {"variants": {"main": {}, "uiat": {"params": {"lam": CLASS}}}},
        "cure": {
            "params": {"steps": {"value": 1, **HERE}},
            "variants": {
                "main": {},
                "no_rgp": {"params": {"p": {"value": 0.0, **HERE}}},
                "p_10": {"params": {"p": {"value": 0.1, **HERE}}},
            },
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


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Path:
    """Trained, attacked, with tables and the list of exhibits."""
    root = tmp_path_factory.mktemp("evidence")
    (root / "studies").mkdir()
    (root / "studies" / "small.yaml").write_text(yaml.safe_dump(STUDY, sort_keys=False))
    (root / "config.yaml").write_text("studies: {small: {start_from: scratch}}\nmirror: null\n")
    study = load_study(root / "studies" / "small.yaml")
    data.prepare("digits", root / "data" / "small", validation=30, test=40, train=128)
    images, files, records = data.load(root / "data" / "small"), [], []
    for variant in resolve(study):
        for seed in variant.seeds:
            run = variant.run(seed)
            Trainer(root, run, images, "cpu").train()
            attack_run(root, study, run, images, "cpu")
            files.append(path_of(root, run))
            records.append(root / "checkpoints" / run.path / "record.json")
    listing = root / "reports" / "exhibits.json"
    write_json(listing, exhibits.listing(Plan(root).held))
    tables.write(tables.build(files, records, listing), root / "reports/tables", root / "reports/all_tables")
    return root
