"""Numbers of the papers: how their protocol differs from a record's, and ours beside theirs where it does not."""

import math
from typing import Any

import numpy as np

from redoubt.claims.evidence import Evidence
from redoubt.claims.schema import Claim, Number
from redoubt.data.catalogue import describe
from redoubt.records.packed_booleans import unpack
from redoubt.statistics.intervals import Interval, nrr, paired_statistic


def protocol(claim: Claim) -> dict[str, Any]:
    """What the paper says of how it got its number; what it leaves out is left out."""
    told: dict[str, Any] = {
        "data set": claim.dataset,
        "architecture": claim.architecture,
        "metric": claim.metric,
        "table": claim.paper_table,
    }
    if claim.number:
        n = claim.number
        told |= {"attack": _attack(n), "threat": _radius(n), "test images": n.images}
    return {k: v for k, v in told.items() if v is not None}


def _attack(n: Number) -> str:
    return " ".join([n.attack, ", ".join(f"{k} {v}" for k, v in n.params.items())]).strip()


def _radius(n: Number) -> str:
    return f"{n.norm} {n.eps:.4g}"


def told(claim: Claim, protocol: dict[str, str]) -> dict[str, str]:
    """What is known of the paper's protocol, by the words of `schema.PROTOCOL`: the claim's own before the file's."""
    own: dict[str, Any] = {
        "data set": claim.dataset,
        "architecture": claim.architecture,
        "attack": claim.metric,
    }
    if claim.number:
        n = claim.number
        own |= {"attack": _attack(n), "radius": _radius(n), "images": n.images}
    return protocol | {k: str(v) for k, v in own.items() if v is not None}


def here(held: dict[str, dict[int, dict[str, Any]]], comparisons: list[dict[str, Any]]) -> dict[str, str]:
    """What was done here, by the words of `schema.PROTOCOL`.

    Args:
        held: run -> seed -> result record, of the runs that judge a claim.
        comparisons: of the claim.
    """
    first = {run: next(iter(records.values())) for run, records in held.items()}
    if not first:
        return {}
    config = {run: r["config"] for run, r in first.items()}
    size = lambda data: data.get("image_size") or describe(data["name"]).image_size
    attacks = dict.fromkeys(c["attack"] for c in comparisons if c["attack"])
    seeds = {run: ", ".join(map(str, records)) for run, records in held.items()}
    each = {
        "data set": {run: c["data"]["name"] for run, c in config.items()},
        "image size": {run: "{0}x{0}".format(size(c["data"])) for run, c in config.items()},
        "architecture": {run: architecture(c) for run, c in config.items()},
        "radius": {run: f"{c['threat']['norm']} {c['threat']['eps']:.4g}" for run, c in config.items()},
        "attack": {run: ", ".join(attacks) for run in config},
        "seeds": {
            run: ", ".join(map(str, dict.fromkeys(s for c in comparisons for s in c["used"]))) or seeds[run]
            for run in held
        },
        "images": {
            run: " and ".join(str(n) for n in dict.fromkeys(c["n"] for c in comparisons if c["n"]))
            or str(r["evaluations"][0]["n"])
            for run, r in first.items()
        },
        "epochs": {run: str(c["training"].get("epochs", "published weights")) for run, c in config.items()},
    }
    return {what: _once(by_run) for what, by_run in each.items() if any(by_run.values())}


def _once(by_run: dict[str, str]) -> str:
    """One value where all runs agree, else each with its runs."""
    runs: dict[str, list[str]] = {}
    for run, value in by_run.items():
        runs.setdefault(value, []).append(run)
    if len(runs) == 1:
        return next(iter(runs))
    return "; ".join(f"{value} ({', '.join(of)})" for value, of in runs.items())


def architecture(config: dict[str, Any]) -> str:
    """The network of a record by its name, and its width where the study set one: a thinner one is another network."""
    name, chosen = config["architecture"]["name"], config["architecture"].get("options") or {}
    return f"{name} of width {chosen['width']}" if "width" in chosen else name


def setting(claim: Claim, record: dict[str, Any]) -> list[str]:
    """How data set and architecture of a record differ from the paper's, where the claim names them."""
    config = record["config"]
    pairs = (
        ("data set", claim.dataset, config["data"]["name"]),
        ("architecture", claim.architecture, architecture(config)),
    )
    return [f"{what}: {there} there, {here} here" for what, there, here in pairs if _other(there, here)]


def other(protocols: list[dict[str, str | None]]) -> list[str]:
    """Every line of two protocols side by side that differs, where both are known."""
    return [
        f"{p['what']}: {p['paper']} there, {p['here']} here"
        for p in protocols
        if p["here"] is not None and _other(p["paper"], p["here"])
    ]


def differences(claim: Claim, number: Number, record: dict[str, Any]) -> list[str]:
    """Every difference in protocol that forbids to hold our number against the paper's."""
    threat = record["config"]["threat"]
    found = setting(claim, record)
    for what, told in (("data set", claim.dataset), ("architecture", claim.architecture)):
        if told is None:
            found.append(f"{what}: the paper's is not known")
    if threat["norm"] != number.norm or not math.isclose(threat["eps"], number.eps, rel_tol=1e-4):
        there, here = f"{number.norm} {number.eps:.4g}", f"{threat['norm']} {threat['eps']:.4g}"
        found.append(f"threat: {there} there, {here} here")
    if attack(number, record) is None:
        steps = ", ".join(f"{k} {v}" for k, v in number.params.items())
        found.append(f"attack: {' '.join(filter(None, (number.attack, steps)))} there, not faced here")
    return found


def attack(number: Number, record: dict[str, Any]) -> dict[str, Any] | None:
    """The evaluation of a record that is the paper's attack."""
    kind = "none" if number.attack == "clean" else number.attack
    for e in record["evaluations"]:
        agree = all(e["params"].get(k) == v for k, v in number.params.items())
        radius = kind == "none" or (
            e["norm"] == number.norm and math.isclose(e["eps"], number.eps, rel_tol=1e-4)
        )
        if e["attack"] == kind and agree and radius and e["checkpoint"] == "best" and not e["surrogate"]:
            return e
    return None


def measured(evidence: Evidence, study: str, number: Number) -> tuple[Interval, int, int]:
    """Our number in percent with its bootstrap interval, its seeds and its images; every record holds the attack."""
    sides: list[list[np.ndarray]] = []
    for record in evidence.records[study, number.run].values():
        row = attack(number, record)
        if row is None:
            continue  # an attack that only some seeds face
        rows = [row]
        if number.measure == "nrr":
            rows.insert(0, next(e for e in record["evaluations"] if e["name"] == "clean"))
        sides.append([unpack(e["correct"], e["n"]) for e in rows])
    n = min(len(bits) for side in sides for bits in side)
    stacked = [np.stack([side[k][:n] for side in sides]) for k in range(len(sides[0]))]
    d = paired_statistic(nrr if number.measure == "nrr" else lambda a: a, *stacked)
    return Interval(100 * d.value, 100 * d.low, 100 * d.high), len(sides), n


def verdict(value: float, tolerance: float, ours: Interval) -> str:
    """Reproduced within tolerance or interval; a number above the paper's asks for a stronger attack."""
    if abs(ours.value - value) <= tolerance or ours.low <= value <= ours.high:
        return "reproduced"
    return "lower" if ours.value < value else "higher: check the attack"


def _other(there: str | None, here: str) -> bool:
    plain = lambda text: "".join(c for c in text.lower() if c.isalnum())
    return there is not None and plain(there) != plain(here)
