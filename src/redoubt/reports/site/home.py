"""What `index.html` says before a reader asks: what was asked, what was found, how much stands behind it."""

from typing import Any

import pandas as pd

from redoubt.claims.numbers import architecture
from redoubt.data.catalogue import describe
from redoubt.records import results, shipped
from redoubt.reports import origins
from redoubt.reports.accuracies import fewer, percent
from redoubt.reports.check_states import STATES, states
from redoubt.reports.comparisons import points
from redoubt.reports.site.evidence import Evidence, Run
from redoubt.reports.site.links import anchor, to
from redoubt.reports.site.sentences import within
from redoubt.statistics.intervals import paired_difference


def summary(evidence: Evidence) -> dict[str, Any]:
    """The counts of the first screen and, for each study, its strongest defense under the worst attack."""
    runs, checks = evidence.runs, evidence.checks
    records = [s.record for r in runs for s in r.seeds]
    return {
        "studies": [_study(evidence, study) for study in dict.fromkeys(r.study for r in runs)],
        "runs": len(runs),
        "trainings": len(records),
        "evaluations": sum(len(r["evaluations"]) for r in records),
        "checks": len(checks),
        "failed": int((~checks["passed"]).sum()) if len(checks) else 0,
        "states": _states(checks),
        "scales": {study: scale(runs, study) for study in dict.fromkeys(r.study for r in runs)},
        "lacks": {study: lacks(runs, study) for study in dict.fromkeys(r.study for r in runs)},
        "hardware": sorted({str(r["provenance"].get("hardware")) for r in records}),
        "origins": {
            study: origins.summary([(s.file, s.record) for r in runs if r.study == study for s in r.seeds])
            for study in dict.fromkeys(r.study for r in runs)
        },
        "computed": _duration(sum(r["training_seconds"] + r["provenance"]["seconds"] for r in records)),
        "last": max((r["provenance"]["started"] for r in records), default=""),
    }


def lacks(runs: list[Run], study: str) -> str:
    """What a study was shipped without and is not here either, as a sentence; empty where nothing is missing."""
    root = next(r.seeds[0].file.parents[4] for r in runs if r.study == study)
    return origins.lacks(shipped.lacking(root, shipped.ledger(root), study))


def scale(runs: list[Run], study: str) -> str:
    """What a study was run at, in one line: images, network, radius, seeds, epochs."""
    records = [s.record for r in runs if r.study == study for s in r.seeds]
    data, threat = records[0]["data"], records[0]["threat"]
    configs = [r.get("config", {}) for r in records]
    of = lambda group, key: [c[group][key] for c in configs if c.get(group, {}).get(key) is not None]
    size = next(iter(of("data", "image_size")), None) or describe(data["name"]).image_size
    counts = sorted({len(r.seeds) for r in runs if r.study == study})
    epochs = sorted(set(of("training", "epochs")))
    networks = list(dict.fromkeys(architecture(c) for c in configs if c.get("architecture")))
    between = lambda found: f"{found[0]} to {found[-1]}" if len(found) > 1 else f"{found[0]}"
    parts = [
        f"{data['n']} {data['split']} images of {data['name']}, {size}x{size} pixels",
        ", ".join(networks[:3]) + (f" and {len(networks) - 3} more networks" if len(networks) > 3 else ""),
        f"{threat['norm']} radius {threat['eps']:.4g}",
        f"{between(counts)} training seed{'s' if counts != [1] else ''}",
        f"{between(epochs)} epochs" if epochs else "",
    ]
    return "; ".join(filter(None, parts))


def _states(checks: pd.DataFrame) -> dict[str, Any]:
    """How many checks of the main variants have each state, a row a defense, and which were not made."""
    found = states(checks)
    rows = []
    for (study, defense), group in found[found["variant"] == "main"].groupby(
        ["study", "defense"], sort=False
    ):
        count = group["state"].value_counts()
        rows.append({
            "study": study, "defense": defense, "href": to(f"site/runs/{study}/{defense}/main.html", "checks"),
            "counts": [(state, int(count.get(state, 0))) for state in STATES],
            "not_made": group[group["state"] == "not made"]["check"].tolist(),
        })  # fmt: skip
    total = found["state"].value_counts()
    return {"rows": rows, "counts": [(state, int(total.get(state, 0))) for state in STATES], "runs": found}


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _study(evidence: Evidence, study: str) -> dict[str, Any]:
    tidy = evidence.tidy[(evidence.tidy["study"] == study) & (evidence.tidy["variant"] == "main")]
    worst = tidy[tidy["name"] == "worst"]
    means = {d: _mean(g) for d, g in worst.groupby("defense", sort=False)}
    runs = [r for r in evidence.runs if r.study == study]
    data = runs[0].seeds[0].record["data"]
    threat = runs[0].seeds[0].record["threat"]
    ranked = sorted(means, key=lambda d: means[d], reverse=True)
    seeds = tidy["seed"].nunique()
    return {
        "name": study,
        "data": data["name"],
        "n": data["n"],
        "threat": f"{threat['norm']}, eps {threat['eps']:.4g}",
        "runs": len(runs),
        "seeds": sorted({s.seed for r in runs for s in r.seeds}),
        "defenses": [_defense(study, d, tidy, data["n"], seeds) for d in ranked],
        "first": _first(tidy, ranked),
        "shared": _shared(tidy, ranked),
    }


def _shared(tidy: pd.DataFrame, ranked: list[str]) -> list[tuple[str, str]]:
    """Of defenses whose seeds faced different attacks: the worst case over those that every seed faced."""
    rows = tidy[tidy["name"] == "worst_shared"]
    of = {d: group for d, group in rows.groupby("defense", sort=False)}
    return [(d, percent(of[d])) for d in ranked if d in of]


def _first(tidy: pd.DataFrame, ranked: list[str]) -> dict[str, Any] | None:
    """The most robust defense with all that cannot be told from it, each with its paired difference to the first."""
    if not ranked:
        return None
    of = {d: tidy[tidy["defense"] == d] for d in ranked}
    tied, told = [], None
    for other in ranked[1:]:
        sides = results.alike(of[ranked[0]], of[other])
        bits = results.common(*sides) if sides else None
        d = paired_difference(*bits) if bits else None
        text = (
            f"{points(d)} points{_over(of[ranked[0]], of[other], *sides)}"
            if d and sides
            else "no attack in common"
        )
        if d is not None and d.low > 0:
            told = (other, text)
            break
        tied.append((other, text))
    return {"name": ranked[0], "tied": tied, "told": told}


def _over(first: pd.DataFrame, other: pd.DataFrame, *sides: pd.DataFrame) -> str:
    """What two worst cases are compared over, where that is less than stands in the table."""
    seeds = sorted(set(sides[0]["seed"]))
    fewer = len(seeds) < max(run["seed"].nunique() for run in (first, other))
    whole = [run[run["name"] == "worst"].set_index("seed")["attack"] for run in (first, other)]
    same = all(
        faced[r["seed"]] == r["attack"]
        for faced, s in zip(whole, sides, strict=True)
        for _, r in s.iterrows()
    )
    return within(seeds if fewer else [], not same)


def _defense(study: str, defense: str, tidy: pd.DataFrame, n: int, seeds: int) -> dict[str, Any]:
    """Natural and worst-case accuracy of a defense's main variant: text, place on a scale of 0 to 100, address.

    Args:
        seeds: of the study; `few` says where the defense has fewer.
    """
    rows = tidy[tidy["defense"] == defense]
    page = f"site/runs/{study}/{defense}/main.html"
    of = rows["seed"].nunique()
    few = f"{of} seed{'s' * (of > 1)}" if of < seeds else ""
    found: dict[str, Any] = {"name": defense, "href": to(page), "few": few}
    for kind in ("clean", "worst"):
        group = rows[rows["name"] == kind]
        found[kind] = {
            "text": percent(group) + fewer(group, n, of),
            "at": round(100 * _mean(group), 2),
            "href": to(page, anchor("attack", kind)),
        }
    return found


def _mean(rows: pd.DataFrame) -> float:
    return sum(c.mean() for c in rows["correct"]) / len(rows)
