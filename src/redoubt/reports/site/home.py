"""What `index.html` says before a reader asks: what was asked, what was found, how much stands behind it."""

from typing import Any

import pandas as pd

from redoubt.reports.accuracies import fewer, percent
from redoubt.reports.site.evidence import Evidence
from redoubt.reports.site.links import anchor, to


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
        "hardware": sorted({str(r["provenance"].get("hardware")) for r in records}),
        "computed": _duration(sum(r["training_seconds"] + r["provenance"]["seconds"] for r in records)),
        "last": max((r["provenance"]["started"] for r in records), default=""),
    }


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
    return {
        "name": study,
        "data": data["name"],
        "n": data["n"],
        "threat": f"{threat['norm']}, eps {threat['eps']:.4g}",
        "runs": len(runs),
        "seeds": sorted({s.seed for r in runs for s in r.seeds}),
        "defenses": [_defense(study, d, tidy, data["n"]) for d in ranked],
    }


def _defense(study: str, defense: str, tidy: pd.DataFrame, n: int) -> dict[str, Any]:
    """Natural and worst-case accuracy of a defense's main variant: text, place on a scale of 0 to 100, address."""
    rows = tidy[tidy["defense"] == defense]
    page = f"site/runs/{study}/{defense}/main.html"
    found: dict[str, Any] = {"name": defense, "href": to(page)}
    for kind in ("clean", "worst"):
        group = rows[rows["name"] == kind]
        found[kind] = {
            "text": percent(group) + fewer(group, n, rows["seed"].nunique()),
            "at": round(100 * _mean(group), 2),
            "href": to(page, anchor("attack", kind)),
        }
    return found


def _mean(rows: pd.DataFrame) -> float:
    return sum(c.mean() for c in rows["correct"]) / len(rows)
