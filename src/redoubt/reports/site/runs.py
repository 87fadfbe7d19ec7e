"""What one run's page shows: each evaluation with its record, settings with their sources, checks, provenance."""

import functools
import re
from pathlib import Path
from typing import Any

import pandas as pd

from redoubt.claims.fidelity import Method, about
from redoubt.records import shipped
from redoubt.reports import origins
from redoubt.reports.accuracies import percent
from redoubt.reports.site.curves import HEIGHT, SPARK, WIDTH, chart, sparks
from redoubt.reports.site.evidence import Run, Seed
from redoubt.reports.site.links import anchor
from redoubt.statistics.intervals import accuracy

EVERY = re.compile(r"_every(\d+)$")  # of the name of an evaluation: right in all of so many draws
SETTINGS = ("architecture", "data", "threat", "training")


def page(
    run: Run, tidy: pd.DataFrame, checks: pd.DataFrame, methods: list[Method], states: pd.DataFrame
) -> dict[str, Any]:
    """The values of `run.html`.

    Args:
        tidy, checks: the rows of `results.frame` and `check_table.table` that belong to this run.
        methods: of all defenses.
        states: `check_states.states` of every run.
    """
    of = states[(states["study"] == run.study) & (states["defense"] == run.defense)]
    absent = of[(of["variant"] == run.variant) & of["state"].isin(["not made", "does not apply"])]
    return {
        "run": run,
        "attacks": _attacks(run, tidy),
        "checks": _checks(checks),
        "absent": absent[["check", "state"]].to_dict("records"),
        "settings": _settings(run),
        "copy_of": copy_of,
        "from_where": from_where,
        "draws": next((found[1] for n in tidy["name"] if (found := EVERY.search(n))), ""),
        "chart": chart(run),
        "sparks": sparks(run),
        "size": (WIDTH, HEIGHT),
        "spark_size": SPARK,
        "commands": _commands(run),
        "methods": about(methods, [run.defense]),
    }


def _attacks(run: Run, tidy: pd.DataFrame) -> list[dict[str, Any]]:
    """One entry an attack, `worst` first: its cell as the tables show it, and one row a seed with the whole record."""
    found = {(s.seed, e["name"]): e for s in run.seeds for e in s.record["evaluations"]}
    seeds = {s.seed: s for s in run.seeds}
    groups = dict(list(tidy.groupby("name", sort=False)))
    order = [n for n in ("clean", "worst", "worst_shared") if n in groups]
    entries = []
    for name in [*order, *(n for n in groups if n not in order)]:
        group = groups[name]
        first = group.iloc[0]
        raw = found.get((first["seed"], name), {})
        entries.append(
            {
                "name": name,
                "id": anchor("attack", name),
                "every": found_in[1] if (found_in := EVERY.search(name)) else "",
                "cell": percent(group),
                "role": "derived" if name.startswith("worst") else first["role"],
                "family": first["attack"],
                "norm": first["norm"],
                "eps": f"{first['eps']:.4g}",
                "view": first["view"],
                "surrogate": raw.get("surrogate"),
                "params": raw.get("params") or {},
                "drawn": raw.get("seed"),
                "rows": [_evaluation(row, seeds[row["seed"]]) for row in group.to_dict("records")],
            }
        )
    return entries


def _evaluation(row: dict[str, Any], seed: Seed) -> dict[str, Any]:
    correct, n = int(row["correct"].sum()), int(row["n"])
    ci = accuracy(row["correct"])
    told = row["info"].get("challenge")
    weights = seed.record["checkpoints"].get(row["checkpoint"], {})
    return {
        "seed": seed.seed,
        "accuracy": ci.text(),
        "count": f"{correct} of {n}",
        "largest": f"{row['max_perturbation']:.6f}",
        "seconds": f"{row['seconds']:.1f}",
        "checkpoint": row["checkpoint"],
        "weights": weights.get("sha256", ""),
        "code": seed.record["fingerprint"]["code"],
        "made": origins.words(seed.file, seed.record),
        "file": challenge_of(seed, told["file"]).as_posix() if told else seed.file.as_posix(),
        "kept": copy_of(seed, "challenges", told["file"]) if told else copy_of(seed),
        "by": told["by"] if told else None,
    }


def copy_of(seed: Seed, kind: str = "results", name: str = "") -> str:
    """Where the site keeps its copy of a record, so that the reports folder is whole when it travels alone.

    Args:
        kind: results, training or challenges.
        name: of the file; default: the seed's.
    """
    run = seed.record["run"]
    folder = f"site/records/{kind}/{run['study']}/{run['defense']}/{run['variant']}"
    return f"{folder}/{name or f'seed{seed.seed}.json'}"


def challenge_of(seed: Seed, name: str) -> Path:
    """Where a challenge of a record lies."""
    return seed.file.parent / "challenges" / name


def from_where(seed: Seed, weights: str) -> str:
    """How a file of weights comes to lie in the project.

    Args:
        weights: its path as the record has it, below `checkpoints/`.
    """
    if weights.removeprefix("checkpoints/") in _carried(seed.file.parents[4]):
        return "the repository carries it: dvc pull brings it"
    run = seed.record["run"]
    return f"not carried by the repository: redoubt train {run['study']}/{run['defense']}/{run['variant']} makes it"


@functools.lru_cache(maxsize=1)
def _carried(root: Path) -> frozenset[str]:
    return frozenset(shipped.ledger(root)["carried"])


def _checks(checks: pd.DataFrame) -> list[dict[str, Any]]:
    rows = []
    for name, group in checks.groupby("check", sort=False):
        for place, row in enumerate(group.to_dict("records")):
            rows.append(
                {
                    "check": name,
                    "id": "" if place else anchor("check", name),
                    "seed": row["seed"],
                    "passed": bool(row["passed"]),
                    "value": f"{row['value']:.4g}",
                    "limit": f"{row['limit']:.4g}",
                    "why": row["why"],
                }
            )
    return rows


def _settings(run: Run) -> dict[str, list[tuple[str, Any, str]]]:
    """Group -> (name, value, source); `defense` holds the hyper-parameters, and may be empty."""
    record = run.seeds[0].record
    config, sources = record.get("config", {}), record.get("sources", {})
    groups = {"defense": [(k, v, sources.get(k, "")) for k, v in config.get("params", {}).items()]}
    if config.get("starts_from"):
        groups["defense"].append(("starts_from", config["starts_from"], ""))
    for name in SETTINGS:
        groups[name] = [(k, v, "") for k, v in (config.get(name) or {}).items() if k != "source"]
    return {k: rows for k, rows in groups.items() if rows or k == "defense"}


def _commands(run: Run) -> list[tuple[str, str]]:
    """What to type to make this run again, and what each line does."""
    result = f"results/{run.path}/seed{run.seeds[0].seed}.json"
    return [
        (f"redoubt audit {run.path}", "make it anew beside its record, and be told whether the record holds"),
        (f"snakemake --cores 8 {result}", "whatever of it is out of date, every seed"),
        (f"redoubt prepare {run.study}", "the images"),
        (f"redoubt train {run.path}", "every seed's weights"),
        (f"redoubt attack {run.path}", "every seed's attacks and checks"),
    ]
