"""The typed model of claims/*.yaml; errors name the file, the claim's key and the nearest word."""

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from redoubt.config.load import parse, read_yaml
from redoubt.config.schema import Radius
from redoubt.errors import RedoubtError, nearest
from redoubt.params import Strict

VERDICTS = (
    "direction fails",
    "lower",
    "flagged",
    "higher: check the attack",
    "not told apart",
    "not run",
    "not comparable",
    "direction holds",
    "reproduced",
)  # worst first
SEEDS = 3  # that the runs of a direction are asked to have in common: spread over seeds
WAITING = ("not run", "not comparable")  # verdicts that no run here gave
OURS = ("ours", "control")  # statuses of what this replication asks, and no paper claims
# What a paper may say of how it got its main numbers, beside what is done here.
PROTOCOL = ("data set", "image size", "architecture", "radius", "attack", "seeds", "images", "epochs")
RUN = r"^[a-z][a-z0-9_]*/[a-z][a-z0-9_]*$"
Measure = Literal["accuracy", "nrr", "gap", "overfitting", "seconds_per_epoch", "fluctuation", "metric"]
SHARE = r"(\w+)@([\d.]+)eps"  # an attack of a sweep, by the share of the study's radius
OF_ATTACK = ("accuracy", "nrr", "gap", "overfitting")


class Comparison(Strict):
    """One quantity of a run against that of another run, or against a number."""

    left: str = Field(pattern=RUN, description="defense/variant")
    right: str | None = Field(None, pattern=RUN, description="defense/variant")
    value: float | None = Field(None, description="a number in the place of `right`; accuracies are shares")
    measure: Measure = Field(description="what is compared")
    attack: str | None = Field(
        None, description="a named attack of the study, clean or worst; name@0.5eps is half its radius"
    )
    metric: str | None = Field(None, description="a training metric, for `measure: metric`")
    expect: Literal["higher", "lower", "same", "not_lower", "not_higher"] = Field(description="of the left")
    tolerance: float = Field(0.01, ge=0, description="of `same`, `not_lower` and `not_higher`")

    @model_validator(mode="before")
    @classmethod
    def _worst(cls, given: Any) -> Any:
        """NRR and gap are of the worst case where no attack is named."""
        if isinstance(given, dict) and given.get("measure") in ("nrr", "gap"):
            return {"attack": "worst", **given}
        return given

    @model_validator(mode="after")
    def _whole(self) -> "Comparison":
        if (self.right is None) == (self.value is None):
            raise ValueError("a comparison has either `right` or `value`")
        if (self.attack is not None) != (self.measure in OF_ATTACK):
            raise ValueError(f"`attack` belongs to {', '.join(OF_ATTACK)}, and these need it")
        if (self.metric is not None) != (self.measure == "metric"):
            raise ValueError("`metric` belongs to `measure: metric`, and that needs it")
        return self


class Number(Strict):
    """What the paper's number was measured on: our number must agree in all of it to be compared."""

    run: str = Field(pattern=RUN, description="defense/variant")
    measure: Literal["accuracy", "nrr"] = Field("accuracy", description="what the number is")
    attack: str = Field(description="an attack of the package, or clean")
    params: dict[str, Any] = Field(default_factory=dict, description="settings of the attack that must agree")
    norm: Literal["linf", "l2"] = Field("linf", description="norm of the threat")
    eps: Radius = Field(description="radius of the threat")
    images: int = Field(10_000, ge=1, description="test images of the paper")
    tolerance: float = Field(1.0, ge=0, description="ours: points that seeds and schedules may differ")


class Claim(Strict):
    """One sentence or number of a paper."""

    id: str = Field(min_length=1, description="unique in the file")
    claim: str = Field(min_length=1, description="what the paper says")
    paper_table: str | None = Field(None, description="where")
    dataset: str | None = Field(None, description="on what")
    architecture: str | None = Field(None, description="of the classifier")
    metric: str | None = Field(None, description="as the paper names it")
    value: float | None = Field(None, description="as printed")
    says: str | None = Field(None, description="the paper's numbers behind a direction, short")
    source: str = Field(min_length=1, description="where it is known from")
    status: str = Field(min_length=1, description="of the evidence; the head of the file lists the words")
    test: str | None = Field(None, description="the runs and the quantity that decide it, in words")
    judge: tuple[Comparison, ...] | None = Field(None, description="the same for the machine")
    number: Number | None = Field(None, description="the protocol of `value`")
    note: str | None = Field(None, description="what a reader has to know")

    @model_validator(mode="after")
    def _one_kind(self) -> "Claim":
        if self.judge is not None and not self.judge:
            raise ValueError("`judge` names at least one comparison, or is null")
        if self.judge and self.number:
            raise ValueError("a claim is judged by `judge` or by `number`")
        if self.number and self.value is None:
            raise ValueError("`number` needs `value`")
        return self

    @property
    def ours(self) -> bool:
        """Whether this replication asks it, as a control, and no paper claims it."""
        return self.status in OURS

    @property
    def kind(self) -> str:
        return "direction" if self.judge else "number" if self.number else "context"


class Paper(Strict):
    """One file: a paper and its claims."""

    paper: str = Field(min_length=1, description="arXiv number")
    title: str = Field(min_length=1, description="of the paper")
    protocol: dict[Literal[PROTOCOL], str] = Field(  # type: ignore[valid-type]
        default_factory=dict,
        description="of its main numbers, each with its source; what no source tells is left out",
    )
    headline: str | None = Field(
        None, description="id of the claim that stands for the paper in one sentence"
    )
    claims: tuple[Claim, ...] = Field(description="every claim")


def load(path: Path) -> Paper:
    """One file of claims.

    Raises:
        RedoubtError: a key, run, attack or measure that does not exist, a second claim of the same id.
    """
    content = read_yaml(path)
    if not isinstance(content, dict) or not isinstance(content.get("claims"), list):
        raise RedoubtError("this is not a file of claims", file=path, allowed="paper, title, claims")
    seen: dict[str, None] = {}
    for i, item in enumerate(content["claims"]):
        item = item if isinstance(item, dict) else {}
        name = str(item.get("id", i))
        judged = item.get("judge") or ()
        for j, one in enumerate(judged if isinstance(judged, list) else ()):
            parse(Comparison, one, path, f"claims.{name}.judge.{j}")
        if item.get("number"):
            parse(Number, item["number"], path, f"claims.{name}.number")
        claim = parse(Claim, item, path, f"claims.{name}")
        if claim.id in seen:
            raise RedoubtError("two claims have this id", file=path, key=f"claims.{name}.id", value=claim.id)
        seen[claim.id] = None
        _known(claim, path)
    if content.get("headline") is not None:
        _one_of(content["headline"], list(seen), "claim", path, "headline")
    return parse(Paper, content, path)


def load_all(folder: Path) -> dict[Path, Paper]:
    """Every file of claims in a folder, by name."""
    return {path: load(path) for path in sorted(folder.glob("*.yaml"))}


def _known(claim: Claim, path: Path) -> None:
    from redoubt import attacks, defenses

    for run, key in _runs(claim):
        _one_of(run.split("/")[0], defenses.names(), "defense", path, key)
    if claim.number:
        known = ["clean", *attacks.names()]
        _one_of(claim.number.attack, known, "attack", path, f"claims.{claim.id}.number.attack")


def _runs(claim: Claim) -> list[tuple[str, str]]:
    """The runs that a claim rests on, each with its key."""
    found = []
    for j, c in enumerate(claim.judge or ()):
        found.append((c.left, f"claims.{claim.id}.judge.{j}.left"))
        if c.right:
            found.append((c.right, f"claims.{claim.id}.judge.{j}.right"))
    if claim.number:
        found.append((claim.number.run, f"claims.{claim.id}.number.run"))
    return found


def check_names(path: Path, paper: Paper, runs: list[str], attacks: list[str] | None = None) -> None:
    """Refuses a variant or an attack that no study has, where the studies hold its defense.

    Args:
        runs: defense/variant of every study.
        attacks: names of the attacks of every study; None checks the runs alone.
    """
    held = {run.split("/")[0] for run in runs}
    for claim in paper.claims:
        for run, key in _runs(claim):
            if run.split("/")[0] in held:
                _one_of(run, runs, "run of any study", path, key)
        for j, c in enumerate(claim.judge or ()):
            if (
                attacks is not None
                and c.attack
                and {c.left.split("/")[0], (c.right or c.left).split("/")[0]} <= held
            ):
                name = re.sub(r"_every\d+$", "", c.attack)
                known = ["clean", "worst", *attacks]
                _one_of(name, known, "attack of any study", path, f"claims.{claim.id}.judge.{j}.attack")


def _one_of(word: str, known: list[str], what: str, path: Path, key: str) -> None:
    if word not in known:
        raise RedoubtError(
            f"unknown {what}", file=path, key=key, value=word, allowed=known, nearest=nearest(word, known)
        )
