"""Figures of notebooks/claims.py, from reports/claims.json."""

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from redoubt.records.files import read_json
from redoubt.reports.figures.evidence import Evidence
from redoubt.reports.figures.style import HATCHES, Picture

# From good to bad, so that a bar is read from left to right; the words are those of `redoubt.claims`.
WORDS = (
    "reproduced", "direction holds", "not told apart", "direction fails", "lower", "higher: check "
    "the attack", "flagged",
    "not run",
)  # fmt: skip
NAMES = {
    "2211.00525": "UIAT", "2401.14948": "CURE", "2401.14707": "AFD", "2401.16352": "AToP", "2402.00304": "PSSR",
}  # fmt: skip
SHOWN = 40
WHITE = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # behind a number on a hatch


def judged(e: Evidence) -> list[dict]:
    """The claims that this study judges, and those that none does."""
    claims = read_json(e.root / "reports" / "claims.json", "redoubt claims")
    here = [c for c in claims if c["study"] in (e.study, None) and c["kind"] != "context"]
    return [c for c in here if c["verdict"] != "not comparable"]


def claim_verdicts(e: Evidence) -> Picture:
    """A bar a paper, a part a verdict."""
    claims = judged(e)
    papers = list(dict.fromkeys(c["paper"] for c in claims))
    papers.sort(key=lambda p: (list(NAMES).index(p) if p in NAMES else len(NAMES), p))
    figure = Figure(figsize=(6.4, 0.9 + 0.42 * max(1, len(papers))))
    axes = figure.subplots()
    colours, left = sns.color_palette("colorblind", 10), np.zeros(len(papers))
    for i, verdict in enumerate(WORDS):
        if not any(c["verdict"] == verdict for c in claims):
            continue
        count = np.array([sum(c["paper"] == p and c["verdict"] == verdict for c in claims) for p in papers])
        axes.barh(
            [NAMES.get(p, p) for p in papers], count, left=left, color=colours[i], label=verdict,
            hatch=HATCHES[i % len(HATCHES)], edgecolor="white",
        )  # fmt: skip
        for row, (n, start) in enumerate(zip(count, left, strict=True)):
            if n:
                axes.text(start + n / 2, row, n, ha="center", va="center", fontsize=8, bbox=WHITE)
        left += count
    axes.invert_yaxis()
    axes.set_xlabel("claims")
    axes.grid(axis="y", visible=False)
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1))
    sns.despine(figure, left=True)
    caption = (
        f"Verdicts on the papers' claims that can be tested by a run, {len(claims)} claims; "
        f"{e.behind(e.variants('*/main'))}. `not run`: no study holds the runs that it needs. Numbers "
        "of other data sets are not counted."
    )
    held = sum(c["verdict"] in WORDS[:2] for c in claims)
    failed = sum(c["verdict"] in ("direction fails", "lower") for c in claims)
    return Picture(figure, caption, f"of {len(claims)} claims {held} hold and {failed} fail on this study.")


def claim_differences(e: Evidence) -> Picture:
    """Each comparison behind a direction, with its interval and the side that the paper says."""
    rows = [
        (f"{NAMES.get(c['paper'], c['paper'])} {c['id']}", d)
        for c in judged(e)
        for d in c["comparisons"] or ()
        if c["unit"] == "points" and d["interval"] and d["value"] is not None
    ][:SHOWN]
    figure = Figure(figsize=(5.6, 1 + 0.22 * max(1, len(rows))))
    axes = figure.subplots()
    colours = sns.color_palette("colorblind", 10)
    for at, (_, d) in enumerate(rows):
        up = d["expect"] in ("higher", "not_lower")
        low, high = d["interval"]
        axes.plot([low, high], [at, at], color=colours[0 if up else 1], lw=1.2)
        axes.plot(
            d["value"],
            at,
            ">" if up else "<" if d["expect"] != "same" else "s",
            color=colours[0 if up else 1],
        )
    axes.axvline(0, color="0.4", lw=1)
    axes.set_yticks(range(len(rows)), [name for name, _ in rows], fontsize=7)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel("left minus right (points)")
    sns.despine(figure, left=True)
    caption = (
        "The comparisons behind the directions, with 95 % intervals; an arrow points to the side "
        "that the paper says, a "
        f"square says the same; the first {SHOWN}, worst verdict first; {e.behind(e.variants('*/main'))}."
    )
    outside = sum(d["interval"][0] > 0 or d["interval"][1] < 0 for _, d in rows)
    return Picture(figure, caption, f"{outside} of {len(rows)} intervals leave out 0.")
