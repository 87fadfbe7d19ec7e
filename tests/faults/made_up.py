"""A project with whole records of one run that nothing was trained for."""

from pathlib import Path

import numpy as np

from redoubt.config import load_study
from redoubt.config.fingerprints import attack_modules, training_modules
from redoubt.evaluation.settings import evaluation_settings
from redoubt.records.files import digest, sha256, write_record
from tests.conftest import STUDY, run_of
from tests.records.toy import CHECK, entry

RUN = "smoke/pgd_at/main"
PROVENANCE = {
    "command": f"redoubt attack {RUN}", "started": "2026-01-02T03:04:05Z", "seconds": 1.5, "commit": None,
    "dirty": None, "versions": {"python": "3.11", "torch": "2"}, "hardware": "a processor, 2 cores", "tf32": None,
    "threads": 1,
}  # fmt: skip


def project(folder: Path, seeds=(0, 1)) -> Path:
    """`folder` with the smoke study, and weights, training and result records of RUN."""
    (folder / "studies").mkdir(parents=True)
    (folder / "studies" / "smoke.yaml").write_text(STUDY)
    for seed in seeds:
        training(folder, seed)
        result(folder, seed)
    return folder


def training(folder: Path, seed: int, weights: int | None = None) -> Path:
    """A training record and its weights; those of the seed `weights` where one is given."""
    run = run_of(folder, "pgd_at/main", seed)
    where = folder / "checkpoints" / run.path
    where.mkdir(parents=True)
    for name in ("best", "last"):
        (where / f"{name}.safetensors").write_bytes(f"{name} {seed if weights is None else weights}".encode())
    modules = training_modules("pgd_at", "small_cnn")
    rows = [
        {"epoch": i, "clean": 0.5, "robust": 0.3, "lr": 0.1, "loss": 2.0, "images_per_s": 9.0}
        for i in range(2)
    ]
    write_record(where / "record.json", {
        "schema": 1, "run": named(run), "about": "", "config": run.of.settings(), "sources": run.of.sources,
        "data": {"name": "digits", "sha256": "d" * 64}, "selected_on": "validation robust accuracy", "best_epoch": 1,
        "history": rows, "seconds": 3.0, "provenance": PROVENANCE,
        "fingerprint": {"config": "c" * 64, "code": digest(modules), "modules": modules},
        "files": {p.name: sha256(p) for p in sorted(where.glob("*.safetensors"))},
    })  # fmt: skip
    return where / "record.json"


def result(folder: Path, seed: int, **more) -> Path:
    run = run_of(folder, "pgd_at/main", seed)
    study = load_study(folder / "studies" / "smoke.yaml")
    modules = attack_modules("pgd_at", "small_cnn", ["fgsm", "pgd"])
    fingerprint = {
        "config": digest(evaluation_settings(study, run.of)),
        "code": digest(modules),
        "modules": modules,
    }
    path = folder / "results" / f"{run.path}.json"
    weights = folder / "checkpoints" / run.path / "best.safetensors"
    clean = entry("clean", np.ones(60), eps=0.0, forward=60, backward=0, judged="the prediction")
    attacked = entry("fgsm", np.arange(60) < 40, forward=60, backward=60, judged="the prediction")
    write_record(path, {
        "schema": 1, "run": named(run), "paper": None, "about": "", "config": run.of.settings(),
        "sources": run.of.sources, "fingerprint": fingerprint,
        "checkpoints": {"best": {"path": f"checkpoints/{run.path}/best.safetensors", "sha256": sha256(weights),
                                 "epoch": 1}},
        "data": {"name": "digits", "sha256": "d" * 64, "split": "test", "n": 60, "indices_sha256": "e" * 64,
                 "num_classes": 10, "copy": None},
        "threat": {"norm": "linf", "eps": 0.1},
        "training": {"fingerprint": fingerprint, "provenance": PROVENANCE}, "training_seconds": 3.0,
        "evaluations": [clean, attacked], "checks": [CHECK], "provenance": PROVENANCE, **more,
    })  # fmt: skip
    return path


def named(run) -> dict:
    v = run.of
    return {"study": v.study, "defense": v.defense, "variant": v.variant, "seed": run.seed}
