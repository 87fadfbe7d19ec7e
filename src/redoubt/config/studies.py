"""A study's file -> a checked study, and the variant that a path names."""

import fnmatch
import re
from pathlib import Path

from redoubt import attacks, data, defenses, models
from redoubt.config.architectures import check_options
from redoubt.config.attack_settings import check_attack, check_radius
from redoubt.config.load import parse, read_yaml, study_file
from redoubt.config.runs import Variant, label, named, resolve
from redoubt.config.schema import Study
from redoubt.config.sweeps import spelled_out
from redoubt.errors import RedoubtError, nearest

# The minimum over attacks, the natural images, and what is right in each of several draws.
RESERVED = r"worst.*|clean|clean_(best|last)|.*_every\d+"


def load_study(path: Path) -> Study:
    """One study, sweeps spelled out, checked on its own and against the package: data, models, defenses, attacks."""
    study = parse(Study, read_yaml(path), path)
    if study.name != path.stem:
        raise RedoubtError(
            "a study is named as its file", file=path, key="name", value=study.name, allowed=path.stem
        )
    check_study(study, path)
    study = spelled_out(study, path)
    for name, spec in study.evaluation.attacks.items():
        check_attack(name, spec, study, path)
    return study


def find_run(root: Path, path: str) -> tuple[Study, Variant]:
    """The study and the variant that `study/defense/variant` names.

    Raises:
        RedoubtError: no such study or variant; names the nearest.
    """
    study = load_study(study_file(root, path.split("/")[0]))
    variants = {v.path: v for v in resolve(study)}
    if path not in variants:
        raise RedoubtError("unknown run", value=path, allowed=list(variants), nearest=nearest(path, variants))
    return study, variants[path]


def check_study(study: Study, file: Path) -> None:
    """Names in a study that the package does not have, before anything runs."""

    def known(what: str, name: str, names: list[str], key: str) -> None:
        if name not in names:
            raise RedoubtError(
                f"unknown {what}", file=file, key=key, value=name, allowed=names, nearest=nearest(name, names)
            )

    known("data set", study.data.name, data.names(), "data.name")
    known("classifier", study.architecture.name, models.names(), "architecture.name")
    check_options(study.architecture.name, study.architecture.options, file, "architecture.options")
    check_radius(study.threat.eps, study.threat.norm, study, file, "threat.eps")
    for defense in study.defenses:
        known("defense", defense, defenses.names(), "defenses")
    variants = {v.name: v for v in resolve(study, file)}
    for v in variants.values():
        if defenses.parameters_of(v.defense).trained:
            _trainable(study, file)
        place = f"defenses.{v.defense}.variants.{v.variant}.architecture"
        known("classifier", v.architecture["name"], models.names(), f"{place}.name")
        check_options(v.architecture["name"], v.architecture["options"], file, f"{place}.options")
        if v.starts_from:
            known("variant to start from", v.starts_from, list(variants), f"defenses.{v.defense}")
            if missing := set(v.seeds) - set(variants[v.starts_from].seeds):
                raise RedoubtError(
                    f"{v.starts_from} is not trained with the seeds that {v.name} starts from",
                    file=file,
                    key=f"defenses.{v.defense}.variants.{v.variant}.seeds",
                    value=sorted(missing),
                    allowed=variants[v.starts_from].seeds,
                )
    for name, spec in study.evaluation.attacks.items():
        key = f"evaluation.attacks.{name}"
        if re.fullmatch(RESERVED, name):
            raise RedoubtError(
                "tables call something else so: an attack needs another name", file=file, key=key, value=name
            )
        known("attack", spec.attack, attacks.names(), f"{key}.attack")
        accepted = sorted(attacks.parameters(spec.attack))
        for setting in spec.params:
            known(f"setting of {spec.attack}", setting, accepted, f"{key}.params")
        if spec.surrogate:
            known("surrogate", spec.surrogate, list(variants), f"{key}.surrogate")
        _matched(spec.runs, variants, file, f"{key}.runs")
        if not any(named(spec.runs, v) for v in variants):
            raise RedoubtError(
                "nobody faces this attack", file=file, key=f"{key}.runs", value=list(spec.runs),
                allowed="patterns that leave one run or more, e.g. '*' before '!standard/main'",
            )  # fmt: skip
        if isinstance(spec.eps, tuple) and len({label(name, eps) for eps in spec.eps}) != max(
            1, len(spec.eps)
        ):
            raise RedoubtError(
                "a sweep names each radius once, by four digits", file=file, key=f"{key}.eps",
                value=list(spec.eps), allowed="one radius or more, all different",
            )  # fmt: skip
    _matched(study.evaluation.probes, variants, file, "evaluation.probes")


def _trainable(study: Study, file: Path) -> None:
    """A study that trains anything has images to train on and to select by."""
    for name in ("train", "validation"):
        if getattr(study.data, name) == 0:
            raise RedoubtError(
                "only published weights need no images of their own",
                file=file, key=f"data.{name}", value=0, allowed="1 or more",
            )  # fmt: skip


def _matched(patterns: tuple[str, ...], variants: dict[str, Variant], file: Path, key: str) -> None:
    for pattern in patterns:
        if not fnmatch.filter(variants, pattern.removeprefix("!")):
            raise RedoubtError(
                "no variant has such a name", file=file, key=key, value=pattern, allowed=list(variants),
                nearest=nearest(pattern.removeprefix("!"), variants),
            )  # fmt: skip
