"""From a study to its runs: every (variant, seed) with all values resolved, and the attacks that it faces."""

import fnmatch
import functools
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from redoubt import defenses
from redoubt.config.load import parse
from redoubt.config.schema import AttackSpec, DefenseSpec, Sourced, Study, Training, VariantSpec
from redoubt.errors import RedoubtError
from redoubt.params import source


@dataclass(frozen=True)
class Variant:
    """One cell of the ablation grid, trained with several seeds by one process.

    Attributes:
        path: `study/defense/variant`, which is also where its files lie.
        params: every hyper-parameter of the defense; `sources` says where each value comes from.
        starts_from: `defense/variant` of the same study whose checkpoint is the start, or None.
        published: what others found of published weights (`schema.Published`), or None; it decides no weights.
    """

    study: str
    defense: str
    variant: str
    about: str
    seeds: tuple[int, ...]
    params: dict[str, Any]
    sources: dict[str, str]
    training: dict[str, Any]
    architecture: dict[str, Any]
    data: dict[str, Any]
    threat: dict[str, Any]
    starts_from: str | None
    published: dict[str, Any] | None = None

    @property
    def path(self) -> str:
        return f"{self.study}/{self.defense}/{self.variant}"

    @property
    def name(self) -> str:
        return f"{self.defense}/{self.variant}"

    def run(self, seed: int) -> "Run":
        return Run(self, seed)

    def settings(self) -> dict[str, Any]:
        """What decides the trained weights, whatever else the study holds."""
        kept = (
            "study",
            "defense",
            "variant",
            "params",
            "training",
            "architecture",
            "data",
            "threat",
            "starts_from",
        )
        everything = asdict(self)
        return {k: everything[k] for k in kept}


@dataclass(frozen=True)
class Run:
    """One training seed of a variant."""

    of: Variant
    seed: int

    @property
    def path(self) -> str:
        return f"{self.of.path}/seed{self.seed}"


def resolve(study: Study, file: Path | str = "study") -> list[Variant]:
    """Every variant of a study, in the order of its file.

    Raises:
        RedoubtError: a hyper-parameter or schedule value that the defense does not know or allow.
    """
    return [
        _variant(study, defense, name, spec, file)
        for defense, grid in study.defenses.items()
        for name, spec in grid.variants.items()
    ]


def _variant(study: Study, defense: str, name: str, spec: VariantSpec, file: Path | str) -> Variant:
    grid = study.defenses[defense]
    known = defenses.parameters_of(defense)
    key = f"defenses.{defense}.variants.{name}"
    given = {**grid.params, **spec.params, **_fetched(known.trained, spec, file, key)}
    params = parse(known, {k: v.value for k, v in given.items()}, file, f"{key}.params").model_dump()
    defaults = {k: source(f) for k, f in known.model_fields.items()}
    sources = {**defaults, **{k: v.source for k, v in given.items()}}
    training = _schedule(study, spec, grid, file, key) if known.trained else {}
    starts_from = spec.starts_from or grid.starts_from or known.starts_from
    if starts_from and "/" not in starts_from:
        starts_from += "/main"
    return Variant(
        study=study.name,
        defense=defense,
        variant=name,
        about=spec.about,
        seeds=spec.seeds or study.seeds,
        params=params,
        sources=sources,
        training=training,
        architecture=(spec.architecture or grid.architecture or study.architecture).model_dump(
            exclude={"source"}
        ),
        data=study.data.model_dump(),
        threat=study.threat.model_dump(exclude={"source"}),
        starts_from=starts_from,
        published=spec.published.model_dump() if spec.published else None,
    )


def _schedule(
    study: Study, spec: VariantSpec, grid: DefenseSpec, file: Path | str, key: str
) -> dict[str, Any]:
    shared = study.training.model_dump() if study.training else {}
    merged = {**shared, **grid.training, **spec.training}
    return parse(Training, merged, file, f"{key}.training").model_dump(mode="json")


def _fetched(trained: bool, spec: VariantSpec, file: Path | str, key: str) -> dict[str, Sourced]:
    """The parameters that say which published weights are fetched, of the defense `external`."""
    if trained:
        for name in ("weights", "published"):
            if getattr(spec, name):
                raise RedoubtError(
                    "this defense is trained: only `external` takes what others published",
                    file=file, key=f"{key}.{name}",
                )  # fmt: skip
        return {}
    if spec.weights is None:
        raise RedoubtError(
            "a required key is missing",
            file=file,
            key=f"{key}.weights",
            hint="add it: url, sha256, file, source",
        )
    w = spec.weights
    return {name: Sourced(value=getattr(w, name), source=w.source) for name in ("url", "sha256", "file")}


@functools.cache
def named(patterns: tuple[str, ...], name: str) -> bool:
    """Whether `defense/variant` matches a pattern and none of those that begin with `!`."""
    out = [p[1:] for p in patterns if p.startswith("!")]
    return any(fnmatch.fnmatch(name, p) for p in patterns) and not any(fnmatch.fnmatch(name, p) for p in out)


def label(name: str, eps: float) -> str:
    """What one radius of a sweep is called."""
    return f"{name}@{eps:.4g}"


def attacks_of(study: Study, variant: Variant, seed: int) -> dict[str, AttackSpec]:
    """The attacks that one run faces, sweeps spelled out as `name@eps`, norm and radius filled in."""
    found = {}
    for name, spec in study.evaluation.attacks.items():
        if not named(spec.runs, variant.name):
            continue
        if spec.seeds == "first" and seed != variant.seeds[0]:
            continue
        sweep = (
            spec.eps if isinstance(spec.eps, tuple) else (study.threat.eps if spec.eps is None else spec.eps,)
        )
        for eps in sweep:
            at = label(name, eps) if isinstance(spec.eps, tuple) else name
            found[at] = spec.model_copy(update={"eps": eps, "norm": spec.norm or study.threat.norm})
    return found


def attacked_files(study: Study, variant: Variant) -> list[str]:
    """The files below `checkpoints` that attacks on a variant take: weights and training record of each seed."""
    specs = (s for seed in variant.seeds for s in attacks_of(study, variant, seed).values())
    used = sorted({"best", *(s.checkpoint for s in specs)})
    names = [*(f"{which}.safetensors" for which in used), "record.json"]
    return [f"{variant.path}/seed{s}/{name}" for s in variant.seeds for name in names]


def without(variants: list[Variant], missing: set[str]) -> list[Variant]:
    """The variants without the seeds that are `missing` (`defense/variant/seedN`); who keeps none is left out."""
    kept = [
        replace(v, seeds=tuple(s for s in v.seeds if f"{v.name}/seed{s}" not in missing)) for v in variants
    ]
    return [v for v in kept if v.seeds]
