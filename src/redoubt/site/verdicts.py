"""Verdicts of claims: how each is shown, how many there are of each, and the papers that they belong to."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from redoubt.site.evidence import Run

# A verdict's first words -> (style, sign): the sign says it without colour. The order is that of the counts.
SHOWN = {
    "reproduced": ("good", "✓"),
    "direction holds": ("good", "✓"),
    "direction fails": ("bad", "✗"),
    "lower": ("bad", "↓"),
    "higher": ("doubt", "↑"),
    "flagged": ("doubt", "⚑"),
    "not comparable": ("open", "≠"),
    "not run": ("open", "○"),
}
OTHER = ("open", "·")


@dataclass(frozen=True)
class Paper:
    """One paper: its claims, and the runs of the defense that it proposes."""

    key: str
    title: str
    claims: list[dict[str, Any]]
    runs: list[Run]

    @property
    def page(self) -> str:
        name = "".join(c if c.isalnum() or c in ".-_" else "-" for c in self.key)
        return f"site/papers/{name}.html"

    @property
    def arxiv(self) -> bool:
        left, _, right = self.key.partition(".")
        return left.isdigit() and right.isdigit()

    @property
    def counts(self) -> list[tuple[str, int]]:
        return counts(self.claims)


def shown(verdict: str | None) -> tuple[str, str]:
    """The style and the sign of a verdict; one that is not known is shown as open."""
    text = str(verdict or "")
    return next((v for k, v in SHOWN.items() if text.startswith(k)), OTHER)


def counts(claims: list[dict[str, Any]]) -> list[tuple[str, int]]:
    """How many claims have each verdict, in the order of SHOWN, others last."""
    found = Counter(str(c.get("verdict") or "no verdict") for c in claims)
    rank = {name: i for i, name in enumerate(SHOWN)}
    place = lambda verdict: next((rank[k] for k in rank if verdict.startswith(k)), len(rank))
    return sorted(found.items(), key=lambda item: (place(item[0]), item[0]))


def papers(claims: list[dict[str, Any]] | None, runs: list[Run]) -> list[Paper]:
    """Papers whose claims were judged, in the order of the claims, then those that only have runs."""
    titles = {str(c["paper"]): str(c.get("title") or c["paper"]) for c in claims or []}
    for key in dict.fromkeys(r.paper for r in runs if r.paper and r.paper not in titles):
        titles[key] = "Baseline: " + ", ".join(dict.fromkeys(r.defense for r in runs if r.paper == key))
    return [
        Paper(
            key,
            title,
            [c for c in claims or [] if str(c["paper"]) == key],
            [r for r in runs if r.paper == key],
        )
        for key, title in titles.items()
    ]
