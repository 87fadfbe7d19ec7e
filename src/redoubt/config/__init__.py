"""Typed configuration: `load_config`, `load_study`, and `Run`, one resolved cell of a study's grid."""

from redoubt.config.load import load_config, studies
from redoubt.config.runs import Run, Variant, attacked_files, attacks_of, named, resolve, without
from redoubt.config.schema import AttackSpec, Config, Study, Training
from redoubt.config.studies import find_run, load_study

__all__ = [
    "AttackSpec",
    "Config",
    "Run",
    "Study",
    "Training",
    "Variant",
    "attacked_files",
    "attacks_of",
    "find_run",
    "load_config",
    "load_study",
    "named",
    "resolve",
    "studies",
    "without",
]
