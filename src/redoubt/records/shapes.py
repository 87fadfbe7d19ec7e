"""Of which kind each field of a record is, where it is there: a record is read by many, and checked once.

docs/architecture.md says what the fields mean. A field that is not there is told when it is asked for (`files.Fields`),
so that records of earlier versions stay readable.
"""

import functools
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from redoubt.errors import RedoubtError

Seed = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]


class Run(TypedDict, total=False):
    study: str
    defense: str
    variant: str
    seed: Seed


class Provenance(TypedDict, total=False):
    command: str
    started: str
    seconds: float
    commit: str | None
    dirty: bool | None
    versions: dict[str, str | None]
    hardware: str
    instructions: dict[str, str | None] | None
    tf32: bool | None
    threads: int | None


class Fingerprint(TypedDict, total=False):
    config: str
    code: str
    modules: dict[str, str]


class Config(TypedDict, total=False):
    study: str
    defense: str
    variant: str
    params: dict[str, Any]
    training: dict[str, Any]
    architecture: dict[str, Any]
    data: dict[str, Any]
    threat: dict[str, Any]
    starts_from: str | None


class Training(TypedDict, total=False):
    """A training record."""

    run: Run
    about: str
    config: Config
    sources: dict[str, str]
    fingerprint: Fingerprint
    data: dict[str, str]
    speed: dict[str, Any]
    selected_on: str
    best_epoch: Count
    history: list[dict[str, float]]
    files: dict[str, str]
    seconds: float
    parts: list[dict[str, Any]]
    provenance: Provenance


class Evaluation(TypedDict, total=False):
    name: str
    attack: str
    checkpoint: str
    view: str
    surrogate: str | None
    role: Literal["main", "diagnostic"]
    norm: str
    eps: float
    params: dict[str, Any]
    seed: Seed
    n: Annotated[int, Field(ge=1)]
    correct_count: Count
    correct: str
    max_perturbation: float
    seconds: float
    forward: Count
    backward: Count
    info: dict[str, Any]
    judged: str


class Check(TypedDict, total=False):
    name: str
    value: float
    limit: float
    passed: bool
    why: str


class Weights(TypedDict, total=False):
    path: str
    sha256: str
    epoch: int


class Data(TypedDict, total=False):
    name: str
    sha256: str
    split: str
    n: Count
    indices_sha256: str
    num_classes: int | None
    copy: str | None


class Trained(TypedDict, total=False):
    fingerprint: Fingerprint
    provenance: Provenance


class Result(TypedDict, total=False):
    """A result record."""

    run: Run
    paper: str | None
    about: str
    config: Config
    sources: dict[str, str]
    fingerprint: Fingerprint
    checkpoints: dict[str, Weights]
    data: Data
    threat: dict[str, str | float]
    published: dict[str, Any]
    training: Trained
    training_seconds: float
    evaluations: Annotated[list[Evaluation], Field(min_length=1)]
    checks: list[Check]
    provenance: Provenance


class Challenge(TypedDict, total=False):
    """Evidence from outside, beside a result record."""

    run: Run
    challenge: dict[str, Any]
    files: dict[str, str]
    weights: str
    data: Data
    threat: dict[str, str | float]
    evaluations: Annotated[list[Evaluation], Field(min_length=1)]
    checks: list[Check]
    provenance: Provenance


@functools.cache
def _adapter(shape: type) -> TypeAdapter:
    return TypeAdapter(shape)


def check(record: dict[str, Any], shape: type, path: Path, again: str) -> None:
    """Refuses a record of which a field is of another kind.

    Raises:
        RedoubtError: names the file, the key and the value.
    """
    try:
        _adapter(shape).validate_python(record, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise RedoubtError(
            f"a field of this record is not what it should be: {first['msg'][0].lower()}{first['msg'][1:]}",
            file=path, key=key, value=first["input"], hint=again,
        ) from None  # fmt: skip
