"""What an exhibit is, what a study holds, and the sentence that says what is missing between the two."""

import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from redoubt.config import Variant, attacks_of, resolve
from redoubt.config.schema import Study


@dataclass(frozen=True)
class Exhibit:
    """One table or figure.

    Attributes:
        name: of its file (without `_table`) and of the function in `redoubt.reports.figures.<notebook>` that draws it.
        paper: the paper it belongs to, or `across`.
        number: the paper's numbering, or in words what it is there.
        title: what it shows.
        says: what the paper says about it, one sentence; for `across`, why it is there.
        needs: patterns of `defense/variant`; each must match a variant of the study.
        faces: patterns of an attack's name or kind; a variant that matches the first need must face each.
        reads: the deepest evidence it takes: result records, training records, or weights.
        why_not: why no study of this project feeds it, where that is so.
    """

    name: str
    paper: str
    number: str
    title: str
    says: str
    kind: Literal["figure", "table"] = "figure"
    needs: tuple[str, ...] = ()
    faces: tuple[str, ...] = ()
    reads: Literal["results", "records", "weights"] = "results"
    why_not: str = ""

    def file(self, study: str) -> str:
        """Where it lies below `reports`; a table holds every study."""
        if self.kind == "figure":
            return f"figures/{self.name}-{study}.svg"
        return f"tables/{self.name.removesuffix('_table')}.md"


@dataclass(frozen=True)
class Held:
    """What a study holds.

    Attributes:
        variants: by `defense/variant`.
        attacks: for each variant, the names and kinds of the attacks that its first seed faces.
        depth: `scratch`, `checkpoints` or `results`.
        records, weights: the variants whose training records, and whose checkpoints, are here.
    """

    name: str
    depth: str
    about: str
    variants: dict[str, Variant]
    attacks: dict[str, set[str]] = field(default_factory=dict)
    records: frozenset[str] = frozenset()
    weights: frozenset[str] = frozenset()

    def matching(self, patterns: tuple[str, ...]) -> list[str]:
        """The variants that match any of the patterns, in the study's order."""
        found = {v for p in patterns for v in fnmatch.filter(self.variants, p)}
        return [v for v in self.variants if v in found]

    def described(self) -> dict[str, Any]:
        """Plain data for `reports/exhibits.json`."""
        kept = ("about", "seeds", "params", "starts_from")
        return {
            "start_from": self.depth,
            "about": self.about,
            "runs": {n: {k: getattr(v, k) for k in kept} for n, v in self.variants.items()},
        }


def held(
    study: Study,
    depth: str,
    here: list[Variant] | None = None,
    *,
    records: Iterable[str] | None = None,
    weights: Iterable[str] | None = None,
) -> Held:
    """What a study holds at a depth.

    Args:
        here: its variants with the seeds that count; default: all.
        records, weights: those whose training records and checkpoints are here; default: all but at depth `results`.
    """
    variants = {v.name: v for v in (resolve(study) if here is None else here)}
    deep = frozenset(variants if depth != "results" else ())
    faced = {
        name: {
            word for label, spec in attacks_of(study, v, v.seeds[0]).items() for word in (label, spec.attack)
        }
        for name, v in variants.items()
    }
    told = (deep if found is None else frozenset(found) for found in (records, weights))
    return Held(study.name, depth, study.about, variants, faced, *told)


def missing(exhibit: Exhibit, study: Held) -> str | None:
    """None where the study feeds the exhibit; otherwise a sentence that says what would."""
    if exhibit.why_not:
        return exhibit.why_not
    lacking = [p for p in exhibit.needs if not study.matching((p,))]
    if lacking:
        return f"study {study.name} has no variant {', '.join(lacking)}"
    runs = study.matching(exhibit.needs[:1])
    for pattern in exhibit.faces:
        if not any(fnmatch.filter(study.attacks[run], pattern) for run in runs):
            return f"no {exhibit.needs[0]} of study {study.name} faces an attack {pattern}"
    deep = {"results": study.variants, "records": study.records, "weights": study.weights}[exhibit.reads]
    absent = [run for run in study.matching(exhibit.needs) if run not in deep]
    if absent:
        what = "training records" if exhibit.reads == "records" else "checkpoints"
        return f"study {study.name} starts from {study.depth}: {what} of {', '.join(absent[:3])} are not here"
    return None
