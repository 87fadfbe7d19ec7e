"""Lists in an attack's settings -> one named attack a value: `eot` with `eot: [1, 2]` is `eot_1` and `eot_2`."""

import re
from pathlib import Path

from redoubt import attacks
from redoubt.config.schema import NAME, AttackSpec, Study
from redoubt.errors import RedoubtError


def spelled_out(study: Study, file: Path) -> Study:
    """The study with every sweep replaced, in its place, by the attacks that it stands for.

    A list is a sweep where the attack takes a single value. A setting that takes a list by itself (its default
    is one, as `left_out` of the corruptions) stays as it is; so does `eps`, which `attacks_of` spells out.

    Raises:
        RedoubtError: two lists in one attack, values that cannot end a name, or a name that is there twice.
    """
    found: dict[str, AttackSpec] = {}
    for name, spec in study.evaluation.attacks.items():
        for label, one in _each(name, spec, file).items():
            if label in found:
                raise RedoubtError(
                    "two attacks have the same name", file=file, key=f"evaluation.attacks.{name}", value=label
                )
            found[label] = one
    evaluation = study.evaluation.model_copy(update={"attacks": found})
    return study.model_copy(update={"evaluation": evaluation})


def _each(name: str, spec: AttackSpec, file: Path) -> dict[str, AttackSpec]:
    defaults = attacks.parameters(spec.attack)
    swept = {
        k: v
        for k, v in spec.params.items()
        if isinstance(v, list) and not isinstance(defaults[k], list | tuple)
    }
    if not swept:
        return {name: spec}

    def wrong(what: str, value: object, allowed: str, at: str = "") -> RedoubtError:
        key = f"evaluation.attacks.{name}.params{at}"
        return RedoubtError(what, file=file, key=key, value=value, allowed=allowed)

    if len(swept) > 1:
        raise wrong(
            "an attack sweeps one setting", list(swept), "one list; attacks of their own for the rest"
        )
    ((setting, values),) = swept.items()
    if not values or len({str(v) for v in values}) != len(values):
        raise wrong(
            "a sweep names each value once", values, "one value or more, all different", f".{setting}"
        )
    found = {}
    for value in values:
        label = f"{name}_{value}"
        if not re.fullmatch(NAME, label):
            what = "a value of a sweep ends the name of its attack"
            raise wrong(what, value, "lower-case words, whole numbers from 0 on", f".{setting}")
        found[label] = spec.model_copy(update={"params": {**spec.params, setting: value}})
    return found
