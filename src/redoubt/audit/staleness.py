"""What of a record's settings and code is not today's: such a record is whole, but would be made again."""

import functools
from pathlib import Path
from typing import Any

from redoubt.audit import differences
from redoubt.config import attacks_of, load_study, resolve
from redoubt.config.fingerprints import attack_modules, training_modules
from redoubt.config.images import other_settings
from redoubt.config.load import study_file
from redoubt.errors import RedoubtError
from redoubt.evaluation.settings import evaluation_settings
from redoubt.records.files import digest


def of_training(root: Path, record: dict[str, Any]) -> list[str]:
    """What a training record was made with and today's study or code does not hold; empty for a fresh one."""
    return _aged(root, record, None)


def of_result(root: Path, record: dict[str, Any]) -> list[str]:
    """The same for a result record."""
    return _aged(root, record, lambda study, variant: digest(evaluation_settings(study, variant)))


def of_images(root: Path, study: str, record: dict[str, Any]) -> list[str]:
    """The same for prepared images; those of no study are nobody's, and as fresh as ever."""
    try:
        others = other_settings(_study(root, study)[0], record)
    except RedoubtError:
        return []
    return [f"other settings: {', '.join(f'data.{key}' for key, _, _ in others)}"] if others else []


def forget() -> None:
    """Reads studies and code anew at the next question."""
    _study.cache_clear()
    _modules.cache_clear()


def _aged(root: Path, record: dict[str, Any], evaluation) -> list[str]:
    run = record["run"]
    try:
        study, variants = _study(root, run["study"])
    except RedoubtError as error:
        return [error.what]
    variant = variants.get(f"{run['defense']}/{run['variant']}")
    if variant is None:
        return ["its study has no such variant today"]
    settings = [row["key"] for row in differences.changed(record["config"], variant.settings())]
    used = None
    if evaluation:
        used = tuple(sorted({s.attack for s in attacks_of(study, variant, run["seed"]).values()}))
        if record["fingerprint"]["config"] != evaluation(study, variant):
            settings.append("evaluation")
    modules = _modules(variant.defense, variant.architecture["name"], used)
    files = differences.modules(record["fingerprint"], {"modules": modules})
    return [f"{k}: {', '.join(v)}" for k, v in (("other settings", settings), ("other code", files)) if v]


@functools.cache
def _study(root: Path, name: str) -> tuple[Any, dict[str, Any]]:
    study = load_study(study_file(root, name))
    return study, {v.name: v for v in resolve(study)}


@functools.cache
def _modules(defense: str, architecture: str, used: tuple[str, ...] | None) -> dict[str, str]:
    if used is None:
        return training_modules(defense, architecture)
    return attack_modules(defense, architecture, list(used))
