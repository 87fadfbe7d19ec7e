"""One claim and the records -> its rows of reports/claims.json; the format stands in `redoubt.claims`."""

from collections.abc import Sequence
from typing import Any, cast

from redoubt import models
from redoubt.claims import numbers
from redoubt.claims.directions import FAILS, HOLDS, OPEN, Missing, compare, rounded, together
from redoubt.claims.evidence import Evidence
from redoubt.claims.schema import PROTOCOL, SEEDS, Claim, Number


def judge(claim: Claim, evidence: Evidence, protocol: dict[str, str] | None = None) -> list[dict[str, Any]]:
    """The rows of one claim: a direction's one a study that holds all its runs, else a single one.

    Args:
        protocol: of the paper's main numbers, as its file tells it.
    """
    if claim.judge:
        rows = _direction(claim, evidence)
    else:
        rows = _number(claim, claim.number, evidence) if claim.number else [_context(claim)]
    there = numbers.told(claim, protocol or {})
    for row in rows:
        if claim.kind != "context":
            row["protocols"] = _beside(there, row, evidence)
        if claim.kind == "direction" and row["study"]:
            row["differences"] = [*numbers.other(row["protocols"]), *row["differences"]]
    return rows


def _row(claim: Claim, verdict: str, why: str, **more: Any) -> dict[str, Any]:
    empty = dict.fromkeys(("study", "ours", "interval", "unit"))
    return {
        "id": claim.id,
        "claim": claim.claim,
        "kind": claim.kind,
        "by": "ours" if claim.ours else "paper",
        "status": claim.status,
        "source": claim.source,
        "note": claim.note,
        "test": claim.test,
        "paper_value": claim.value,
        "says": claim.says,
        "protocol": numbers.protocol(claim),
        **empty,
        "differences": [],
        "verdict": verdict,
        "direction": None,
        "why": why,
        "cost": None,
        "comparisons": [],
        "protocols": [],
        "evidence": [],
        **more,
    }


def _beside(there: dict[str, str], row: dict[str, Any], evidence: Evidence) -> list[dict[str, str | None]]:
    """The paper's protocol beside that of the runs that judge a claim, one entry a line of it."""
    here: dict[str, str] = {}
    if row["study"]:
        runs = dict.fromkeys(
            "/".join(file.split("/")[-3:-1])
            for file in row["evidence"]
            if "results/" in file and "/training/" not in file
        )
        held = {run: evidence.records.get((row["study"], run), {}) for run in runs}
        here = numbers.here({run: records for run, records in held.items() if records}, row["comparisons"])
    return [{"what": k, "paper": there.get(k), "here": here.get(k)} for k in PROTOCOL]


def _direction(claim: Claim, evidence: Evidence) -> list[dict[str, Any]]:
    """A row a study that holds every comparison; of a data set on which none does, one of the study that holds most."""
    rows, lacking, whole = [], {}, set()
    parts: dict[str, dict[str, list[dict[str, Any]]]] = {}  # data set -> study -> its comparisons
    for study in evidence.studies:
        found = [compare(evidence, study, c) for c in claim.judge or ()]
        missing = [f for f in found if isinstance(f, Missing)]
        made = [f for f in found if not isinstance(f, Missing)]
        if missing:
            lacking[study] = missing
        else:
            whole.add(evidence.data_set(study))
            rows.append(_judged_direction(claim, evidence, study, made))
        if missing and made:
            parts.setdefault(evidence.data_set(study), {})[study] = made
    for images, held in parts.items():
        if images not in whole:
            study = max(held, key=lambda name: len(held[name]))
            rows.append(_judged_direction(claim, evidence, study, held[study], lacking[study]))
    return rows or [_direction_not_run(claim, evidence, lacking)]


def _judged_direction(
    claim: Claim,
    evidence: Evidence,
    study: str,
    found: list[dict[str, Any]],
    lacking: Sequence[Missing] = (),
) -> dict[str, Any]:
    """One row. A comparison that could not be made tells nothing apart, so a claim may fail without it, not hold."""
    runs = list(dict.fromkeys(r for f in found for r in (f["left"], f["right"]) if r))
    outcomes = [f["outcome"] for f in found]
    verdict = together([*outcomes, *(OPEN for _ in lacking)])
    least = min(f["seeds"] for f in found)
    counted = _counted(outcomes, len(lacking))
    unmade = "".join(f"; {m.why}" for m in dict.fromkeys(lacking))
    one = found[0] if len(found) == 1 else None
    return _flagged(
        _row(
            claim, verdict, f"{counted}; seeds in common: {least}{unmade}", study=study,
            ours=one["value"] if one else "; ".join(f["text"] for f in found),
            interval=one["interval"] if one else None, unit=one["unit"] if one else None,
            differences=_told(claim, evidence, study, runs), comparisons=found,
            evidence=evidence.files(study, runs),
        ),
        evidence.failed(study, runs),
    )  # fmt: skip


def _counted(outcomes: list[str], unmade: int) -> str:
    """How many comparisons hold, fail and do neither, how many were not made, and what one failure did."""
    words = {HOLDS: "hold", FAILS: "fail", OPEN: "not told apart"}
    of = [f"{n} {word}" for outcome, word in words.items() if (n := outcomes.count(outcome))]
    of += [f"{unmade} not made here"] if unmade else []
    if len(outcomes) + unmade == 1:
        return {HOLDS: "the comparison holds", FAILS: "the comparison fails", OPEN: "not told apart"}[
            outcomes[0]
        ]
    decided = "; one failure is enough" if FAILS in outcomes and len(of) > 1 else ""
    return f"of {len(outcomes) + unmade} comparisons {', '.join(of)}{decided}"


def _told(claim: Claim, evidence: Evidence, study: str, runs: list[str]) -> list[str]:
    """Worst cases over other attacks, which a reader of a direction has to know."""
    if not any(c.attack == "worst" for c in claim.judge or ()):
        return []
    over = {run: evidence.worst_of(study, run) for run in runs}
    return [f"worst case of {run} over {a}" for run, a in over.items()] if len(set(over.values())) > 1 else []


def _direction_not_run(claim: Claim, evidence: Evidence, lacking: dict[str, list[Missing]]) -> dict[str, Any]:
    """The study that lacks least says what is missing and what that would take."""
    if not lacking:
        return _row(claim, "not run", "no record of any study is here")
    count = {study: len({r for m in found for r in m.runs}) for study, found in lacking.items()}
    study = min(count, key=lambda name: (count[name], len(lacking[name])))
    runs = list(dict.fromkeys(r for m in lacking[study] for r in m.runs))
    costs = [evidence.cost(study, run, SEEDS) for run in runs]
    why = "; ".join(dict.fromkeys(m.why for m in lacking[study]))
    return _row(claim, "not run", why, cost="; ".join(c for c in costs if c) or None)


def _number(claim: Claim, number: Number, evidence: Evidence) -> list[dict[str, Any]]:
    def differences(study: str, record: dict[str, Any]) -> list[str]:
        cut = ["budget: the paper's there, cut on purpose here"] if study in evidence.reduced else []
        return [*cut, *numbers.differences(claim, number, record)]

    rows, other = [], []
    for study in evidence.studies:
        seeds = evidence.records.get((study, number.run))
        if not seeds:
            continue
        differing = min((differences(study, r) for r in seeds.values()), key=len)
        if differing:
            other.append((study, differing))
        else:
            rows.append(_judged_number(claim, number, evidence, study))
    if rows:
        return rows
    if other:
        return [_other_protocol(claim, number.run, evidence, other)]
    defense, variant = number.run.split("/")
    if variant in models.names():  # the main variant on another network: what was run of it says what differs
        main = f"{defense}/main"
        other = [
            (
                study,
                [
                    f"run: {number.run} there, {main} here",
                    *differences(study, seeds[min(seeds)]),
                ],
            )
            for study in evidence.studies
            if (seeds := evidence.records.get((study, main)))
        ]
        if other:
            return [_other_protocol(claim, main, evidence, other)]
    on = f"{claim.dataset} with {claim.architecture}"
    return [_row(claim, "not run", f"no record of {number.run} is here; the number is of {on}")]


def _other_protocol(
    claim: Claim, run: str, evidence: Evidence, other: list[tuple[str, list[str]]]
) -> dict[str, Any]:
    """The study whose protocol is nearest says what differs."""
    study, differing = min(other, key=lambda pair: len(pair[1]))
    why = "the protocol differs: " + ", ".join(d.split(":")[0] for d in differing)
    return _row(
        claim,
        "not comparable",
        why,
        study=study,
        differences=differing,
        evidence=evidence.files(study, [run]),
    )


def _judged_number(claim: Claim, number: Number, evidence: Evidence, study: str) -> dict[str, Any]:
    value = cast(float, claim.value)  # a claim with a number has it
    ours, seeds, n = numbers.measured(evidence, study, number)
    verdict = numbers.verdict(value, number.tolerance, ours)
    off = ours.value - value
    why = f"{off:+.2f} points beside the paper's number, tolerance {number.tolerance:g}; seeds: {seeds}"
    if verdict.startswith("higher"):
        why += "; a stronger attack has to fail before this counts"
    told = [] if n == number.images else [f"test images: {number.images} there, {n} here"]
    row = _row(
        claim, verdict, why, study=study, ours=rounded(ours.value), unit="%",
        interval=[rounded(ours.low), rounded(ours.high)], differences=told,
        evidence=evidence.files(study, [number.run]),
    )  # fmt: skip
    return _flagged(row, evidence.failed(study, [number.run]))


def _flagged(row: dict[str, Any], failed: list[str]) -> dict[str, Any]:
    """A failed validity check of any run takes the verdict's place; what it would have been stands beside it."""
    if not failed:
        return row
    shown = "; ".join(failed[:3]) + (f"; and {len(failed) - 3} more" if len(failed) > 3 else "")
    why = f"without the flag: {row['verdict']} ({row['why']}); failed: {shown}"
    return {**row, "verdict": "flagged", "direction": row["verdict"], "why": why}


def _context(claim: Claim) -> dict[str, Any]:
    """A claim that no run of ours stands for."""
    note = f": {claim.note}" if claim.note else ""
    if claim.value is None:
        return _row(claim, "not run", f"no run tests it{note}")
    why = f"{claim.status}: no run of ours stands for this number{note}"
    return _row(claim, "not comparable", why, differences=["no run under the paper's protocol"])
