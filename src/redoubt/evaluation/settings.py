"""What decides a run's result and where it lies, for whoever asks without attacking: no torch is imported."""

from pathlib import Path
from typing import Any

from redoubt.config import Run, Study, Variant, named


def path_of(root: Path, run: Run) -> Path:
    """Where the result of a run lies."""
    return root / "results" / f"{run.path}.json"


def evaluation_settings(study: Study, variant: Variant) -> dict[str, Any]:
    """What decides a run's result, given its weights: its attacks and the evaluation's own settings."""
    faced = {
        name: spec.model_dump(mode="json", exclude={"runs"})
        for name, spec in study.evaluation.attacks.items()
        if named(spec.runs, variant.name)
    }
    e = study.evaluation
    return {
        "attacks": faced, "images": e.images, "batch_size": e.batch_size, "seed": e.seed,
        "probed": named(e.probes, variant.name),
        **({"published": variant.published} if variant.published else {}),
    }  # fmt: skip
