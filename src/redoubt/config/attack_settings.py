"""What the settings of an attack may be, said before anything is trained; the attacks are not imported.

An attack refuses wrong settings too, but it is asked only when there are weights to attack.
"""

import math
from pathlib import Path
from typing import Any

from redoubt import attacks, data
from redoubt.config.schema import AttackSpec, Study
from redoubt.errors import RedoubtError, nearest

WORDS: dict[str, dict[str, tuple[str, ...]]] = {
    "autoattack": {"version": ("standard", "plus", "rand"), "backend": ("redoubt", "pyautoattack")},
    "feature_space": {
        "loss": ("ce", "margin", "toward", "none"), "reference": ("natural", "own"),
        "metric": ("linf", "l1", "l2", "cosine"),
    },
    "pgd": {"loss": ("ce", "margin", "dlr", "kl")},
    "stadv": {"optimizer": ("adam", "lbfgs")},
}  # fmt: skip
MOST = 10**9
WHOLE = {
    **dict.fromkeys(("candidates", "eot", "queries", "restarts", "search_steps", "steps"), (1, MOST)),
    "levels": (2, MOST), "targets": (0, MOST), "severity": (1, 5),
}  # fmt: skip
ABOVE_0 = ("step_size", "learning_rate", "initial_const", "initial_norm", "first", "last", "gamma")
ONE_NORM = {"cw": "l2", "ddn": "l2", "stadv": "linf"}
ANY_RADIUS = ("cw", "ddn", "deepfool", "stadv", "corruption", "none")  # they look at any distance, or at none


def check_radius(eps: float, norm: str, study: Study, file: Path, key: str) -> None:
    """Refuses a ball in which every image of [0, 1] lies, unless the study says that it means that.

    Raises:
        RedoubtError: linf of 1 or more, l2 of the square root of C * H * W or more.
    """
    if study.evaluation.any_radius:
        return
    info = data.describe(study.data.name)
    size = study.data.image_size or info.image_size
    limit = 1.0 if norm == "linf" else math.sqrt(info.in_channels * size * size)
    if eps >= limit:
        raise RedoubtError(
            "this radius covers the whole pixel range: every image can become any other",
            file=file, key=key, value=eps, allowed=f"{norm} below {limit:g}: pixels are in [0, 1]",
            nearest=f"{eps:g}/255" if norm == "linf" else None, hint="evaluation.any_radius: true, if it is meant",
        )  # fmt: skip


def check_attack(name: str, spec: AttackSpec, study: Study, file: Path) -> None:
    """Refuses values that the attack would refuse, of settings that it has, after sweeps were spelled out.

    Raises:
        RedoubtError: a norm, a radius or a setting's value that cannot be; names the file and the key.
    """
    key = f"evaluation.attacks.{name}"
    norm = spec.norm or study.threat.norm
    only = ONE_NORM.get(spec.attack, norm)
    if norm != only:
        raise RedoubtError(
            f"{spec.attack} does not exist for this norm",
            file=file,
            key=f"{key}.norm",
            value=norm,
            allowed=only,
        )
    given = spec.eps if isinstance(spec.eps, tuple) else (study.threat.eps if spec.eps is None else spec.eps,)
    for eps in given if spec.attack not in ANY_RADIUS else ():
        check_radius(eps, norm, study, file, f"{key}.eps")
    defaults = attacks.parameters(spec.attack)
    for setting, value in spec.params.items():
        words = WORDS.get(spec.attack, {}).get(setting)
        if allowed := _refused(setting, value, defaults[setting], words):
            raise RedoubtError(
                f"{spec.attack} cannot take this", file=file, key=f"{key}.params.{setting}", value=value,
                allowed=allowed, nearest=nearest(value, words) if words else None,
            )  # fmt: skip
    _check_pgd(spec, file, f"{key}.params")


def _refused(setting: str, value: Any, default: object, words: tuple[str, ...] | None) -> str | None:
    """What is allowed, where the value is not; None where it is."""
    if value is None and default is None:
        return None
    if words:
        return None if value in words else ", ".join(words)
    if setting in WHOLE:
        low, high = WHOLE[setting]
        fits = type(value) is int and low <= value <= high
        return None if fits else f"a whole number from {low} to {high:,}"
    if setting in ABOVE_0:
        return None if _number(value) and value > 0 else "a number above 0"
    if isinstance(default, bool) or setting == "side_by_side":
        return None if isinstance(value, bool) else "true or false"
    if isinstance(default, float):
        return None if _number(value) else "a number"
    return None


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _check_pgd(spec: AttackSpec, file: Path, key: str) -> None:
    """Settings of PGD that contradict each other."""
    if spec.attack != "pgd":
        return
    given = {"loss": "ce", "kappa": None, "targets": 0, "random_start": True, **spec.params}
    loss = given["loss"]
    wrong = None
    if given["targets"] and loss not in ("ce", "margin"):
        wrong = ("no targeted form of this loss", "loss", loss, "ce, margin")
    elif given["kappa"] is not None and loss != "margin":
        wrong = ("only the margin has a confidence", "kappa", given["kappa"], "loss: margin")
    elif loss == "kl" and not given["random_start"]:
        wrong = ("the divergence has no gradient at the clean image", "random_start", False, "true")
    if wrong:
        what, at, value, allowed = wrong
        raise RedoubtError(what, file=file, key=f"{key}.{at}", value=value, allowed=allowed)
