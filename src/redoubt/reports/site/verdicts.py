"""Verdicts of claims: how each is shown and how many there are; and the papers with all that belongs to each."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from redoubt.claims.fidelity import Method, about
from redoubt.claims.report import judged, waiting
from redoubt.claims.schema import VERDICTS
from redoubt.reports import names
from redoubt.reports.site import sentences
from redoubt.reports.site.evidence import Evidence, Run, Seed
from redoubt.reports.site.links import anchor, flat, to
from redoubt.reports.verdict_looks import SHOWN

NAMES = names.PAPERS


@dataclass(frozen=True)
class Paper:
    """One paper.

    Attributes:
        key: its arXiv number, or its name where it has none.
        name: what people call it.
        runs: those of the defenses that it proposes.
        exhibits, figures: its own tables and figures as they are listed, and the figures that were made of them.
    """

    key: str
    name: str
    title: str
    claims: list[dict[str, Any]]
    runs: list[Run]
    exhibits: list[dict[str, Any]]
    figures: list[dict[str, Any]]

    @property
    def page(self) -> str:
        name = "".join(c if c.isalnum() or c in ".-_" else "-" for c in self.key)
        return f"site/papers/{name}.html"

    @property
    def rest(self) -> str:
        """The page of the claims that wait and of the numbers kept for context."""
        return self.page.removesuffix(".html") + "-rest.html"

    @property
    def arxiv(self) -> bool:
        left, _, right = self.key.partition(".")
        return left.isdigit() and right.isdigit()

    @property
    def judged(self) -> list[dict[str, Any]]:
        """What the paper claims and runs here decided."""
        return [c for c in judged(self.claims) if c.get("by") != "ours"]

    @property
    def controls(self) -> list[dict[str, Any]]:
        """What no paper claims and this replication asks."""
        return [c for c in judged(self.claims) if c.get("by") == "ours"]

    @property
    def distinct(self) -> list[dict[str, Any]]:
        """Each judged claim once."""
        return distinct(self.judged)

    @property
    def waiting(self) -> list[dict[str, Any]]:
        return waiting(self.claims)

    @property
    def context(self) -> list[dict[str, Any]]:
        """Numbers that the paper prints and nothing here is judged against."""
        return [c for c in self.claims if c.get("kind") == "context"]

    @property
    def counts(self) -> list[tuple[str, int]]:
        return counts(self.distinct)

    @property
    def rest_count(self) -> int:
        """How many claims and numbers stand on the page of the rest."""
        return len(self.waiting) + len(self.context)

    @property
    def headline(self) -> dict[str, Any] | None:
        """The claim that stands for the paper in one sentence: the one that its file names, else its first."""
        named = [c for c in self.judged if c.get("headline")]
        return next(iter([*named, *self.judged]), None)


def distinct(claims: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each claim once: of one that several studies judge, the row with the worst verdict, the first of equal ones."""
    worst: dict[tuple[str, str], dict[str, Any]] = {}
    for c in claims:
        kept = worst.setdefault((str(c["paper"]), str(c["id"])), c)
        if _badness(c) < _badness(kept):
            worst[str(c["paper"]), str(c["id"])] = c
    return list(worst.values())


def _badness(claim: dict[str, Any]) -> int:
    """The place of a claim's verdict in VERDICTS, one that is not known last."""
    verdict = claim.get("verdict")
    return VERDICTS.index(verdict) if verdict in VERDICTS else len(VERDICTS)


def sorted_by_verdict(claims: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Worst verdict first; within it the claim that stands for its paper first, then as given."""
    return sorted(claims, key=lambda c: (_badness(c), not c.get("headline")))


def counts(claims: list[dict[str, Any]]) -> list[tuple[str, int]]:
    """How many claims have each verdict, in the order of SHOWN, others last."""
    found = Counter(str(c.get("verdict") or "no verdict") for c in claims)
    rank = {name: i for i, name in enumerate(SHOWN)}
    place = lambda verdict: next((rank[k] for k in rank if verdict.startswith(k)), len(rank))
    return sorted(found.items(), key=lambda item: (place(item[0]), item[0]))


def measured(claim: dict[str, Any]) -> list[tuple[str, str]]:
    """What was found here, a line a comparison with its own outcome (empty for a number); empty where nothing was."""
    found = [c for c in claim.get("comparisons") or [] if c.get("value") is not None]
    if found:
        said = lambda c: f"{sentences.sides(c)}: {sentences.difference(c)}, expected {sentences.expected(c)}"
        return [(str(c.get("outcome") or ""), said(c)) for c in found]
    value, unit = claim.get("ours"), claim.get("unit")
    if value is None or isinstance(value, str):
        return [("", value)] if value else []
    shape = "{:+.1f}" if unit == "points" else "{:.1f}" if unit else "{:.4g}"
    around = f" [{', '.join(shape.format(v) for v in claim['interval'])}]" if claim.get("interval") else ""
    return [("", shape.format(value) + around + (f" {unit}" if unit else ""))]


def says(claim: dict[str, Any]) -> str:
    """What the paper says, as a number or short; empty where no number of it is known."""
    return (
        flat(claim["paper_value"]) if claim.get("paper_value") is not None else str(claim.get("says") or "")
    )


def rank(claim: dict[str, Any]) -> str:
    """What a table sorts a claim's measurement by: the first value, also where the cell begins with words."""
    values = [claim.get("ours"), *(c.get("value") for c in claim.get("comparisons") or [])]
    return next((str(v) for v in values if isinstance(v, int | float)), "")


def place(claim: dict[str, Any], papers: list[Paper]) -> str:
    """The address of a claim: on its paper's page where it was judged, else on the page of the rest."""
    paper = next(p for p in papers if p.key == str(claim["paper"]))
    return to(paper.page if judged([claim]) else paper.rest, mark(claim))


def behind(claim: dict[str, Any], runs: list[Run]) -> list[tuple[Run, list[Seed]]]:
    """The runs that a claim rests on, each with the seeds that entered."""
    paths = {"/".join(str(e).split("/")[1:4]) for e in claim.get("evidence") or []}
    used = {s for c in claim.get("comparisons") or [] for s in c.get("used") or []}
    found = [r for r in runs if r.path in paths]
    return [(r, [s for s in r.seeds if not used or s.seed in used]) for r in found]


def mark(claim: dict[str, Any]) -> str:
    """The id of a claim's place on its paper's page; one claim may be judged on several studies."""
    return anchor("claim", "-".join(str(claim[k]) for k in ("id", "study") if claim.get(k)))


def touching(claim: dict[str, Any], methods: list[Method]) -> list[Method]:
    """The methods of the defenses that a claim was judged on, those of them that deviate from the authors' code."""
    runs = [c.get(side) for c in claim.get("comparisons") or [] for side in ("left", "right")]
    runs += ["/".join(str(e).split("/")[2:4]) for e in claim.get("evidence") or []]
    return [m for m in about(methods, {run.split("/")[0] for run in runs if run}) if m.deviations]


def papers(evidence: Evidence) -> list[Paper]:
    """Papers with claims or exhibits, then those that only have runs: the baselines."""
    titles = {str(c["paper"]): str(c.get("title") or c["paper"]) for c in evidence.claims or []}
    named = {e["paper"] for e in evidence.exhibits}
    for key, name in NAMES.items():
        if name in named or any(r.paper == key for r in evidence.runs):
            titles.setdefault(key, name)
    for key in dict.fromkeys(r.paper for r in evidence.runs if r.paper and r.paper not in titles):
        titles[key] = "Baseline: " + ", ".join(
            dict.fromkeys(r.defense for r in evidence.runs if r.paper == key)
        )
    rank = list(NAMES)
    order = sorted(titles, key=lambda key: rank.index(key) if key in NAMES else len(rank))
    return [_paper(evidence, key, titles[key]) for key in order]


def _paper(evidence: Evidence, key: str, title: str) -> Paper:
    name = NAMES.get(key, key)
    return Paper(
        key,
        name,
        title,
        [c for c in evidence.claims or [] if str(c["paper"]) == key],
        [r for r in evidence.runs if r.paper == key],
        [e for e in evidence.exhibits if e["paper"] == name],
        [f for f in evidence.figures if f.get("paper") == name],
    )
