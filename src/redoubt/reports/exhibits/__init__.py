"""Every table and figure of the five papers, and what feeds it: `reports/exhibits.json`, `docs/exhibits.md`.

One file a notebook lists them. An exhibit is made once for each study that holds its evidence; for the others a
sentence says what is missing. Nothing here imports torch or draws: the Snakefile reads it for the names of its files.
"""

from pathlib import Path

from redoubt.config import load_study, resolve
from redoubt.reports.exhibits.afd import EXHIBITS as AFD
from redoubt.reports.exhibits.atop import EXHIBITS as ATOP
from redoubt.reports.exhibits.base import Exhibit, Held, held, missing
from redoubt.reports.exhibits.claims import EXHIBITS as CLAIMS
from redoubt.reports.exhibits.cost import EXHIBITS as COST
from redoubt.reports.exhibits.cure import EXHIBITS as CURE
from redoubt.reports.exhibits.overview import EXHIBITS as OVERVIEW
from redoubt.reports.exhibits.pssr import EXHIBITS as PSSR
from redoubt.reports.exhibits.uiat import EXHIBITS as UIAT
from redoubt.reports.exhibits.validity import EXHIBITS as VALIDITY

__all__ = [
    "ALL",
    "NOTEBOOKS",
    "Exhibit",
    "Held",
    "default",
    "figures",
    "held",
    "listing",
    "missing",
    "needs_weights",
    "page",
]

NOTEBOOKS = {
    "overview": OVERVIEW,
    "uiat": UIAT,
    "cure": CURE,
    "afd": AFD,
    "atop": ATOP,
    "pssr": PSSR,
    "claims": CLAIMS,
    "validity": VALIDITY,
    "cost": COST,
}
DEFAULT = ("digits", "digits_ablations", "published_convex_fashion_mnist")  # what docs/exhibits.md is of
ALL = {e.name: e for exhibits in NOTEBOOKS.values() for e in exhibits}


def figures(notebook: str, studies: dict[str, Held]) -> dict[str, Exhibit]:
    """The figures that a notebook writes: file name without ending -> exhibit.

    Args:
        studies: what each study holds, by its name.
    """
    return {
        f"{e.name}-{name}": e
        for e in NOTEBOOKS[notebook]
        for name, content in studies.items()
        if e.kind == "figure" and missing(e, content) is None
    }


def needs_weights(notebook: str, studies: dict[str, Held]) -> list[str]:
    """The runs, as `study/defense/variant`, whose checkpoints the figures of a notebook analyze."""
    runs = {
        f"{name}/{run}": None
        for e in NOTEBOOKS[notebook]
        for name, content in studies.items()
        if e.reads == "weights" and missing(e, content) is None
        for run in content.matching(e.needs)
    }
    return list(runs)


def listing(studies: dict[str, Held]) -> dict:
    """`reports/exhibits.json`.

    Returns:
        `exhibits`: for each its name, paper, number there, title, what the paper says, kind, notebook, `made`
        (study -> file below reports) and `why_not` (study -> sentence; `any` where no study can feed it).
        `studies`: for each what its notebooks read: where it starts, its variants with their parameters and seeds.
    """
    rows = []
    for notebook, exhibits in NOTEBOOKS.items():
        for e in exhibits:
            lacks = {name: missing(e, content) for name, content in studies.items()}
            rows.append(
                {
                    **{k: getattr(e, k) for k in ("name", "paper", "number", "title", "says", "kind")},
                    "notebook": notebook,
                    "made": {s: e.file(s) for s, why in lacks.items() if why is None},
                    "why_not": {"any": e.why_not}
                    if e.why_not
                    else {s: why for s, why in lacks.items() if why},
                }
            )
    return {"exhibits": rows, "studies": {name: content.described() for name, content in studies.items()}}


def default(root: Path) -> list[Held]:
    """The studies of the default `config.yaml`, as `page` shows them: one trained here, others from whole records."""
    studies = [load_study(root / "studies" / f"{name}.yaml") for name in DEFAULT]
    first, *recorded = studies
    return [
        held(first, "scratch"),
        *(held(study, "results", records=[v.name for v in resolve(study)]) for study in recorded),
    ]


def page(studies: list[Held]) -> str:
    """`docs/exhibits.md`: every exhibit, by the first study that makes it or why not, a section a notebook."""
    names = ", ".join(f"`{study.name}`" for study in studies)
    lines = [
        "# Every table and figure of the papers",
        "",
        f"What is made of each in `reports/`, by the first of the studies {names} that makes it, or why none does.",
        "Where a paper's numbering is not public, the exhibit has a name. Written by `redoubt schema` from",
        "`src/redoubt/reports/exhibits/`; `redoubt exhibits` says the same of the studies that `config.yaml` names.",
    ]
    for notebook, exhibits in NOTEBOOKS.items():
        lines += ["", f"## `notebooks/{notebook}.py`", ""]
        lines += ["| paper | exhibit | shows | made, or why not |", "| --- | --- | --- | --- |"]
        for e in exhibits:
            lacks = {study.name: missing(e, study) for study in studies}
            by = next((name for name, why in lacks.items() if why is None), None)
            why_not = "; ".join(dict.fromkeys(why for why in lacks.values() if why))
            made = f"`{e.file(by)}`" if by else f"not made: {why_not}"
            lines.append(f"| {e.paper} | {e.number} | {e.title} | {made} |")
    return "\n".join(lines) + "\n"
