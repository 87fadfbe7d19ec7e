"""Synthetic records of a study, and claims files, for the tests of verdicts."""

import numpy as np
import pytest

from redoubt.claims import build
from redoubt.records.files import write_record
from redoubt.records.packed_booleans import pack

GOOD = {"name": "perturbation_within_bound", "value": 0.0, "limit": 1e-5, "passed": True, "why": "fine"}
BAD = {**GOOD, "passed": False, "value": 7.0}
HEAD = 'paper: "2401.14948"\ntitle: "T"\nclaims:\n'


def bits(share, n=400, shift=0):
    """(n,) bool of which `share` are right, the first ones."""
    return np.roll(np.arange(n) < round(share * n), shift)


def entry(name, correct, **more):
    correct = np.asarray(correct, bool)
    clean = name.startswith("clean")
    return {
        "name": name, "attack": "none" if clean else "pgd", "checkpoint": "last" if "_last" in name else "best",
        "view": "deployed", "surrogate": None, "role": "diagnostic" if "_last" in name else "main", "norm": "linf",
        "eps": 0.0 if clean else 8 / 255, "params": {} if clean else {"steps": 20}, "seed": 0, "n": len(correct),
        "correct_count": int(correct.sum()), "correct": pack(correct), "max_perturbation": 0.0, "seconds": 1.0,
        "info": {"easier_half": pack(np.arange(len(correct)) < 2)}, **more,
    }  # fmt: skip


class Records:
    """A folder of records and one claims file."""

    def __init__(self, folder):
        self.folder, self.results, self.trainings = folder, [], []

    def run(
        self,
        name,
        *rows,
        study="toy",
        seed=0,
        checks=(GOOD,),
        data="digits",
        eps=8 / 255,
        seconds=10.0,
        width=None,
    ):
        """A result record; by default with natural accuracy 1."""
        defense, variant = name.split("/")
        rows = list(rows) if any(r["name"] == "clean" for r in rows) else [entry("clean", bits(1)), *rows]
        config = {
            "data": {"name": data},
            "architecture": {"name": "resnet18", "options": {"width": width} if width else {}},
            "threat": {"norm": "linf", "eps": eps},
            "training": {"epochs": 5},
        }
        path = self.folder / "results" / study / name / f"seed{seed}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        run = {"study": study, "defense": defense, "variant": variant, "seed": seed}
        record = {"run": run, "config": config, "evaluations": rows, "checks": list(checks)}
        write_record(path, {**record, "training_seconds": seconds})
        self.results.append(path)

    def training(self, name, history, seed=0, study="toy"):
        defense, variant = name.split("/")
        path = self.folder / "checkpoints" / study / name / f"seed{seed}" / "record.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        run = {"study": study, "defense": defense, "variant": variant, "seed": seed}
        write_record(path, {"run": run, "history": history, "seconds": 10.0})
        self.trainings.append(path)

    def rows(self, *claims):
        """The judged rows of these claims: text below `- id: a`."""
        texts = [
            f"  - {{id: c{i}, claim: it is so, source: paper, {'' if 'status:' in c else 'status: s, '}{c}}}\n"
            for i, c in enumerate(claims)
        ]
        (self.folder / "claims").mkdir(exist_ok=True)
        (self.folder / "claims" / "toy.yaml").write_text(HEAD + "".join(texts))
        return build(self.folder / "claims", self.results, self.trainings)

    def one(self, claim):
        (row,) = self.rows(claim)
        return row


@pytest.fixture
def records(tmp_path):
    return Records(tmp_path)
