"""Which attacks a suite is: `screen`, `standard`, `rand`, `full`; a random model gets those that average its draws."""

from typing import Any

from redoubt import attacks
from redoubt.attacks.autoattack.ensemble import EOT
from redoubt.attacks.core.eot import DRAWS
from redoubt.config import AttackSpec
from redoubt.errors import RedoubtError, nearest
from redoubt.judging.subject import Subject

SUITES = ("screen", "standard", "rand", "full")
Plan = dict[str, tuple[str, dict[str, Any]]]  # name: (attack, its settings)

RANDOM: Plan = {
    "rand": ("autoattack", {"version": "rand"}),
    "pgd_eot": ("pgd", {"steps": 50, "eot": EOT}),
}
PARTS: dict[str, Plan] = {
    "screen": {"screen": ("screen", {})},
    "standard": {"autoattack": ("autoattack", {"version": "standard"})},
    "rand": RANDOM,
}
# Beside AutoAttack: one step, other losses (a saturated head or scaled logits mislead one, not all), no gradient.
MORE: Plan = {
    "fgsm": ("fgsm", {}),
    "pgd": ("pgd", {"steps": 100, "restarts": 2}),
    "pgd_margin": ("cw_pgd", {"steps": 100}),
    "pgd_dlr": ("pgd", {"steps": 100, "loss": "dlr"}),
    "pgd_targets": ("pgd", {"steps": 50, "loss": "margin", "targets": 9}),
    "deepfool": ("deepfool", {}),
}
L2: Plan = {"ddn": ("ddn", {}), "cw": ("cw", {})}
BLACK_BOX: Plan = {"square": ("square", {})}
MORE_RANDOM: Plan = {
    "fgsm": ("fgsm", {}),
    "pgd_eot_margin": ("cw_pgd", {"steps": 50, "eot": EOT}),
}
# Attacks made against a kind of defense: the methods that a model of that kind has.
ADAPTIVE = {"feature_space": ("branches", "natural"), "relaxed_mask": ("soften", "hard")}


def known(name: str) -> str:
    """The name itself; RedoubtError for a suite that does not exist."""
    if name not in SUITES:
        raise RedoubtError(
            "unknown suite", key="suite", value=name, allowed=SUITES, nearest=nearest(name, SUITES)
        )
    return name


def attacks_of(suite: str, subject: Subject, norm: str, eps: float) -> dict[str, AttackSpec]:
    """The attacks of a suite by name, in order, norm and radius filled in."""
    plan = _plan(suite, subject, norm)
    shared = {"norm": norm, "eps": eps, "draws": DRAWS if subject.random else 1}
    return {
        name: AttackSpec(attack=attack, params=params, **shared) for name, (attack, params) in plan.items()
    }


def _plan(suite: str, subject: Subject, norm: str) -> Plan:
    if suite != "full":
        return RANDOM if subject.random else PARTS[known(suite)]
    adaptive: Plan = {
        name: (name, {})
        for name, methods in ADAPTIVE.items()
        if subject.model is subject.given and all(hasattr(subject.given, m) for m in methods)
    }
    if subject.random:
        return {**MORE_RANDOM, **RANDOM, **adaptive, **BLACK_BOX}
    more = {**MORE, **(L2 if norm == "l2" else {})}
    return {**more, **PARTS["standard"], **adaptive, **BLACK_BOX}


def cost(spec: AttackSpec) -> float:
    """Passes an image, roughly: what a share of the work is measured by until it is known."""
    settings: dict[str, Any] = {
        k: v for k, v in attacks.parameters(spec.attack).items() if isinstance(v, int | float)
    }
    settings |= spec.params
    if spec.attack in ("screen", "autoattack"):
        stages = {"screen": 400, "standard": 3000, "rand": 8000, "plus": 15000}
        return stages[str(settings.get("version", "screen"))]
    if spec.attack == "square":
        return settings.get("queries") or 5000
    rounds = max(settings.get("restarts") or 1, settings.get("targets") or 1) * (settings.get("eot") or 1)
    return 1 + 2 * (settings.get("steps") or 1) * rounds
