"""Figures of notebooks/claims.py, from reports/claims.json; those of single papers stand in their notebooks too."""

from typing import Any

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from redoubt.records.files import read_json
from redoubt.reports.figures.evidence import Evidence
from redoubt.reports.figures.style import HATCHES, Picture
from redoubt.reports.names import PAPERS, attack, label
from redoubt.reports.verdict_looks import color, shown

# From good to bad, so that a bar is read from left to right; the words are those of `redoubt.claims`.
WORDS = (
    "reproduced", "direction holds", "not told apart", "direction fails", "lower", "higher: check the attack",
    "flagged",
)  # fmt: skip
EXPECTED = {
    "higher": "above", "lower": "below", "same": "the same as", "not_lower": "not below", "not_higher": "not above",
}  # fmt: skip
MEASURES = {
    "accuracy": "", "nrr": "NRR, ", "gap": "gap to natural, ", "overfitting": "lost after the best epoch, ",
    "seconds_per_epoch": "seconds an epoch", "fluctuation": "fluctuation over epochs",
}  # fmt: skip
ROW = 0.19  # inches of a comparison
GAP = 4  # rows between two papers, for a title and an axis
WIDTHS = (3.4, 2.2, 1.8)  # inches of words, drawing and numbers
LETTERS = 104  # of a claim's words
MARKERS = {"good": "o", "even": "s", "bad": "X"}  # an outcome is read without color too


def judged(e: Evidence) -> list[dict]:
    """The claims that this study judges, and those that none does."""
    claims = read_json(e.root / "reports" / "claims.json", "redoubt claims")
    here = [c for c in claims if c["study"] in (e.study, None) and c["kind"] != "context"]
    return [c for c in here if c["verdict"] != "not comparable"]


def control(claim: dict) -> bool:
    """Whether this replication asks it, to say what a claim means, and no paper claims it."""
    return claim.get("by") == "ours"


def by_paper(claims: list[dict]) -> dict[str, list[dict]]:
    """The claims of each paper under what people call it, in the order of the pages."""
    rank = list(PAPERS)
    papers = sorted(
        {c["paper"] for c in claims}, key=lambda p: (rank.index(p) if p in PAPERS else len(rank), p)
    )
    return {PAPERS.get(p, p): [c for c in claims if c["paper"] == p] for p in papers}


def claim_verdicts(e: Evidence) -> Picture:
    """A bar a paper, a part a verdict; beside it how many claims no study can test."""
    every = judged(e)
    claims = [c for c in every if not control(c)]
    papers = by_paper(claims)
    figure = Figure(figsize=(6.2, 1.1 + 0.36 * max(1, len(papers))))
    axes = figure.subplots()
    left = np.zeros(len(papers))
    for i, verdict in enumerate(WORDS):
        count = np.array([sum(c["verdict"] == verdict for c in found) for found in papers.values()])
        if not count.any():
            continue
        axes.barh(
            list(papers), count, left=left, color=color(verdict), label=f"{shown(verdict)[1]} {verdict}",
            hatch=HATCHES[i % len(HATCHES)], edgecolor="white", height=0.7,
        )  # fmt: skip
        for row, (n, start) in enumerate(zip(count, left, strict=True)):
            if n:
                face = {"facecolor": color(verdict), "edgecolor": "none", "pad": 1.5}
                axes.text(
                    start + n / 2, row, n, ha="center", va="center", fontsize=8, color="white", bbox=face
                )
        left += count
    for row, found in enumerate(papers.values()):
        if waiting := sum(c["verdict"] == "not run" for c in found):
            words, at = f"and {waiting} not run", (left[row], row)
            axes.annotate(
                words,
                at,
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
                color=color("not run"),
            )
    axes.set_xlim(0, 1.25 * max(1, left.max(initial=0)))
    axes.invert_yaxis()
    axes.set_xlabel("judged claims")
    axes.grid(axis="y", visible=False)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, fontsize="small")
    sns.despine(figure, left=True)
    decided = [c for c in claims if c["verdict"] in WORDS]
    caption = (
        f"Verdicts on the papers' claims that runs of this study decided, {len(decided)} claims; "
        f"{e.behind(e.variants('*/main'))}. `not run`: no study holds the runs that it needs. Numbers "
        f"of other data sets are not counted, nor are {len(every) - len(claims)} controls that no paper claims."
    )
    held = sum(c["verdict"] in WORDS[:2] for c in claims)
    failed = sum(c["verdict"] in ("direction fails", "lower") for c in claims)
    return Picture(
        figure, caption, f"of {len(decided)} judged claims {held} hold and {failed} fail on this study."
    )


def claim_differences(e: Evidence) -> Picture:
    """Every comparison behind a judged claim, a panel a paper."""
    return forest(e, by_paper(judged(e)))


def of_paper(e: Evidence, paper: str) -> Picture:
    """The comparisons behind one paper's claims."""
    return forest(e, {paper: by_paper(judged(e)).get(paper, [])})


def forest(e: Evidence, papers: dict[str, list[dict]]) -> Picture:
    """Differences with their intervals, grouped by paper and claim, colored by verdict, in words.

    Papers stand in two columns of about equal height.
    """
    groups = {paper: [c for c in found if c["comparisons"]] for paper, found in papers.items()}
    tall = {paper: sum(1 + len(c["comparisons"]) for c in found) for paper, found in groups.items() if found}
    columns = _columns({paper: rows + GAP for paper, rows in tall.items()})
    height = ROW * max((sum(tall[p] + GAP for p in column) for column in columns), default=GAP)
    width = sum(WIDTHS) * len(columns)
    figure = Figure(figsize=(max(width, sum(WIDTHS)), height))
    for i, column in enumerate(columns):
        top, left = height - 1.5 * ROW, i * sum(WIDTHS) + WIDTHS[0]
        for paper in column:
            inches = ROW * tall[paper]
            box = (left / width, (top - inches) / height, WIDTHS[1] / width, inches / height)
            _panel(figure.add_axes(box), paper, groups[paper])
            top -= inches + GAP * ROW
    found = [d for claims in groups.values() for c in claims for d in c["comparisons"]]
    outcomes = ("direction holds", "not told apart", "direction fails")
    count = {words: sum(d["outcome"] == words for d in found) for words in outcomes}
    caption = (
        "The comparisons behind each judged claim: left what has to be seen, right the measured difference with its "
        "95 % interval (● holds, ■ not told apart, ✗ fails: an interval must lie on the expected side as a whole). A "
        "claim fails where one of its comparisons fails. Differences in other units than points stand as numbers "
        f"alone; {e.behind(e.variants('*/main'))}."
    )
    said = ", ".join(f"{n} {words}" for words, n in count.items())
    return Picture(figure, caption, f"of {len(found)} comparisons: {said}.")


def _columns(heights: dict[str, int]) -> list[list[str]]:
    """The names in one or two columns: the second begins where the first is at least half of all."""
    if len(heights) < 2:
        return [list(heights)] if heights else []
    names, total = list(heights), sum(heights.values())
    cut = min(range(1, len(names)), key=lambda k: abs(2 * sum(heights[n] for n in names[:k]) - total))
    return [names[:cut], names[cut:]]


def _panel(axes: Axes, paper: str, claims: list[dict]) -> None:
    """One paper's claims, each with its comparisons in rows below it."""
    row, reach = 0, 1.0
    for claim in claims:
        tint = color(claim["verdict"])
        _words(axes, 0, row, f"{shown(claim['verdict'])[1]} {_short(claim)}", tint, "bold")
        axes.axhline(row - 0.5, xmin=-WIDTHS[0] / WIDTHS[1], xmax=1, color="0.85", lw=0.7, clip_on=False)
        for d in claim["comparisons"]:
            row += 1
            tint = color(d["outcome"])
            _words(axes, 10, row, expected(d, paper), "0.15")
            _words(axes, 72 * (WIDTHS[0] + WIDTHS[1]) + 6, row, measured(d), tint)
            if d["unit"] == "points" and d["value"] is not None:
                low, high = d["interval"] or (d["value"], d["value"])
                reach = max(reach, abs(low), abs(high))
                axes.plot([low, high], [row, row], color=tint, lw=1.4, solid_capstyle="butt")
                marker = MARKERS.get(shown(d["outcome"])[0], "o")
                axes.plot(d["value"], row, marker, color=tint, ms=5, mec="white", mew=0.4)
        row += 1
    axes.set_title(paper, x=-WIDTHS[0] / WIDTHS[1], loc="left", pad=5, fontweight="bold")
    axes.axvline(0, color="0.4", lw=1)
    axes.set_yticks([])
    axes.tick_params(axis="x", labelsize=7.5, pad=1)
    axes.set_ylim(row - 0.5, -0.5)
    axes.set_xlim(-1.08 * reach, 1.08 * reach)
    axes.set_xlabel("difference (points)", fontsize=8, labelpad=1)
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)


def _words(axes: Axes, points: float, row: int, words: str, tint: str, weight: str = "normal") -> None:
    """Text in a row of a panel, so many points from the panel's left edge."""
    face = {"facecolor": "white", "edgecolor": "none", "pad": 0.5} if weight == "bold" else None
    axes.annotate(
        words, (0, row), xycoords=("axes fraction", "data"), xytext=(points - 72 * WIDTHS[0], 0),
        textcoords="offset points", va="center", fontsize=7.5, color=tint, fontweight=weight, bbox=face,
    )  # fmt: skip


def _short(claim: dict) -> str:
    words = f"{'our control ' if control(claim) else ''}{claim['id']}: {claim['claim']}"
    return words if len(words) <= LETTERS else words[: LETTERS - 1].rsplit(" ", 1)[0] + " …"


def expected(d: dict[str, Any], paper: str) -> str:
    """`above TRADES: NRR, worst case`: what a comparison has to show; the paper's own defense is not repeated."""
    what = MEASURES.get(d["measure"], "") + (attack(d["attack"]) if d["attack"] else "")
    what = what or str(d["metric"]).replace("_", " ")
    unit = "%" if d["measure"] == "accuracy" else "points"
    against = label(d["right"]) if d["right"] else f"{100 * d['against']:g} {unit}"
    who = "" if label(d["left"]) == paper else f"{label(d['left'])} "
    return f"{who}{EXPECTED[d['expect']]} {against}: {what}"


def measured(d: dict[str, Any]) -> str:
    """`+5.7 [+3.4, +8.1]`, with its unit where that is not points."""
    if d["value"] is None:
        return "not measured"
    shape = "{:+.1f}" if d["unit"] == "points" else "{:+.2g}"
    around = f" [{', '.join(shape.format(v) for v in d['interval'])}]" if d["interval"] else ", one run"
    unit = "" if d["unit"] in ("points", None) else f" {d['unit']}"
    return f"{shape.format(d['value'])}{unit}{around}"
