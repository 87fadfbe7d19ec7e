"""The typed models of `config.yaml` and `studies/*.yaml`; their JSON schema is `studies/schema.json`."""

import re
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from redoubt.params import Strict

Depth = Literal["scratch", "checkpoints", "results"]
NAME = r"^[a-z][a-z0-9_]*$"
MOST = 1_000_000  # images a batch


def _number(value: object) -> object:
    """Radii are written as in the papers: `8/255`."""
    if isinstance(value, str) and "/" in value:
        try:
            return float(Fraction(value.replace(" ", "")))
        except (ValueError, ArithmeticError):
            raise ValueError("this is no fraction") from None
    return value


def _setting(value: object) -> object:
    """The same of a setting that may be something else than a number: 2/255, but a path stays a path."""
    return _number(value) if isinstance(value, str) and re.fullmatch(r"[\d. ]+/[\d. ]+", value) else value


Number = Annotated[float, BeforeValidator(_number)]
Radius = Annotated[float, BeforeValidator(_number), Field(ge=0)]
Share = Annotated[float, BeforeValidator(_number), Field(gt=0, lt=1)]
Factor = Annotated[float, Field(gt=0, le=1)]


class Sourced(Strict):
    """A value of a hyper-parameter and where it comes from: `paper …`, `authors' code …`, or `ours: why`."""

    value: Any = Field(description="the value; a radius may be written as a fraction such as 8/255")
    source: str = Field(
        min_length=3, description="paper and place, authors' code and file, or `ours: reason`"
    )


class Data(Strict):
    """Which images a study uses."""

    name: str = Field(description="a data set that `redoubt prepare` knows")
    validation: int = Field(
        ge=0,
        description="images held out of the training set to select the checkpoint; 0 where none is trained",
    )
    test: int | None = Field(
        None, ge=1, description="images held out for attacks, where the maker has no test set"
    )
    train: int | None = Field(
        None, ge=0, description="use only this many training images; 0 where nothing is trained"
    )
    image_size: int | None = Field(None, ge=8, description="side in pixels, where the maker's images vary")


class Threat(Strict):
    """The perturbations that the study defends against."""

    norm: Literal["linf", "l2"] = Field("linf", description="norm of the perturbation")
    eps: Radius = Field(description="radius in pixels of [0, 1]")
    source: str = Field(min_length=3, description="where the radius comes from")


class Training(Strict):
    """Schedule and optimizer, shared by a study's runs; a variant may change single values."""

    source: str = Field(min_length=3, description="where this schedule comes from")
    epochs: int = Field(ge=1, description="passes over the training set")
    batch_size: int = Field(128, ge=1, le=MOST, description="images a step")
    optimizer: Literal["sgd", "adam"] = Field("sgd", description="update rule")
    lr: float = Field(0.1, gt=0, description="largest learning rate")
    momentum: float = Field(0.9, ge=0, lt=1, description="of SGD")
    nesterov: bool = Field(False, description="of SGD")
    weight_decay: float = Field(5e-4, ge=0, description="L2 penalty")
    schedule: Literal["constant", "step", "cosine", "one_cycle"] = Field(
        "step", description="of the learning rate"
    )
    milestones: tuple[Share, ...] = Field(
        (0.5, 0.75), description="share of the steps after which `step` decays the rate, e.g. 74/76"
    )
    gamma: Factor | tuple[Factor, ...] = Field(
        0.1, description="factor of each decay; a list has one for each"
    )
    peak: Share = Field(0.4, description="share of the steps after which `one_cycle` is at `lr`")
    peak_momentum: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="momentum of SGD at that peak, from which it moves back as the rate falls",
    )
    warmup_epochs: float = Field(
        0, ge=0, description="epochs in which the attack's radius grows from 0 to eps"
    )
    ema: float | None = Field(
        None, gt=0, lt=1, description="decay of the averaged weights that are evaluated"
    )
    ema_warmup: bool = Field(
        False,
        description="the averaged weights decay by (1 + step) / (10 + step) while that is less than ema",
    )
    augment: Literal["none", "crop", "crop_flip"] = Field("none", description="random crop (pad 4) and flip")
    precision: Literal["float32", "bf16", "auto"] = Field(
        "float32",
        description="of the forward and backward passes; weights and recorded attacks are float32; auto is bf16 "
        "where a short measurement at the start says that it is faster, and the record says which was used",
    )
    compile: Literal["off", "auto", "on"] = Field(
        "off",
        description="torch.compile: auto on a GPU, on also on a CPU, where it pays from 32x32 images on",
    )
    sync_batch_norm: bool = Field(
        False,
        exclude_if=lambda value: (
            not value
        ),  # so that runs without it keep the identity that they had before it
        description="where a training is split over processes, batch norm takes the statistics of the whole batch, "
        "not of each process's share",
    )
    validation_steps: int = Field(10, ge=1, description="steps of the PGD that selects the checkpoint")

    @field_validator("milestones")
    @classmethod
    def _ordered(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if list(value) != sorted(set(value)):
            raise ValueError("milestones must grow")
        return value

    @model_validator(mode="after")
    def _one_factor_each(self) -> "Training":
        if isinstance(self.gamma, tuple) and len(self.gamma) != len(self.milestones):
            raise ValueError("gamma must be one factor, or one for each of the milestones")
        return self


class Architecture(Strict):
    """The classifier."""

    name: str = Field(description="a classifier that the package has")
    options: dict[str, Any] = Field(
        default_factory=dict, description="options of that classifier, e.g. width"
    )
    source: str = Field(min_length=3, description="where the choice comes from")


class AttackSpec(Strict):
    """One named attack of a study."""

    attack: str = Field(description="an attack that the package has")
    params: dict[str, Annotated[Any, BeforeValidator(_setting)]] = Field(
        default_factory=dict,
        description="settings of that attack; one of them may be a list of words or whole numbers where the attack "
        "takes a single value: a sweep, which stands for one attack a value, `name_value`, in the list's order",
    )
    norm: Literal["linf", "l2"] | None = Field(None, description="default: the study's")
    eps: Radius | tuple[Radius, ...] | None = Field(
        None, description="default: the study's; a list is a sweep, `name@eps`"
    )
    checkpoint: Literal["best", "last"] = Field("best", description="which weights are attacked")
    view: str = Field("deployed", description="which view of the defense the gradient goes through")
    surrogate: str | None = Field(None, description="defense/variant whose gradient is transferred")
    runs: tuple[str, ...] = Field(
        ("*",),
        description="patterns of defense/variant that face this attack; `!pattern` takes them out again",
    )
    seeds: Literal["all", "first"] = Field("all", description="which training seeds face it")
    images: int | None = Field(None, ge=1, description="use only the first images of the test split")
    draws: int = Field(
        1,
        ge=1,
        description="fresh predictions of a random model; above 1, a second row counts images right in all of them",
    )
    role: Literal["main", "diagnostic"] = Field("main", description="only main attacks enter the worst case")


class Evaluation(Strict):
    """How checkpoints are attacked."""

    images: int | None = Field(None, ge=1, description="test images, default all of the split")
    batch_size: int = Field(250, ge=1, le=MOST, description="images a batch; part of Square's random draws")
    seed: int = Field(0, ge=0, description="of every attack")
    probes: tuple[str, ...] = Field(
        ("*",),
        description="patterns of defense/variant probed for gradient masking, as in `runs`; the first seed",
    )
    any_radius: bool = Field(
        False, description="radii that cover the whole pixel range are meant: 1 of linf, sqrt(C H W) of l2"
    )
    attacks: dict[Annotated[str, Field(pattern=NAME)], AttackSpec] = Field(description="name: attack")


class Weights(Strict):
    """Published weights: fetched by their hash, in the mirror first."""

    url: str = Field(pattern="^https?://", description="where the file's makers publish it")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="of the file's bytes")
    file: str = Field(pattern=r"^[\w.-]+$", description="its name in the folder `weights` of a mirror")
    source: str = Field(min_length=3, description="whose they are, and their license")


class Bound(Strict):
    """A published robust accuracy, under the study's threat."""

    robust: float = Field(ge=0, le=100, description="robust accuracy in percent, as printed")
    images: int = Field(ge=1, description="of how many of the first test images")
    by: str = Field(min_length=2, description="the verifier or the attack")
    source: str = Field(min_length=3, description="where it stands")


class Published(Strict):
    """What is known of published weights."""

    proven: Bound | None = Field(None, description="no attack can report less")
    attacked: Bound | None = Field(None, description="what the strongest published attack leaves")


class VariantSpec(Strict):
    """One cell of a defense's ablation grid: what differs from the study."""

    about: str = Field("", description="what this variant asks, in the paper's words")
    params: dict[str, Sourced] = Field(default_factory=dict, description="hyper-parameters that differ")
    training: dict[str, Any] = Field(default_factory=dict, description="schedule values that differ")
    architecture: Architecture | None = Field(None, description="another classifier than the study's")
    seeds: tuple[Annotated[int, Field(ge=0)], ...] | None = Field(None, description="default: the study's")
    starts_from: str | None = Field(None, description="defense/variant whose checkpoint is the start")
    weights: Weights | None = Field(None, description="of the defense `external`: what is fetched")
    published: Published | None = Field(None, description="of the defense `external`: what others found")

    @field_validator("seeds")
    @classmethod
    def _unique(cls, value: tuple[int, ...] | None) -> tuple[int, ...] | None:
        return unique_seeds(value)


class DefenseSpec(Strict):
    """The variants of one defense that a study trains."""

    params: dict[str, Sourced] = Field(
        default_factory=dict, description="hyper-parameters of all its variants"
    )
    training: dict[str, Any] = Field(default_factory=dict, description="schedule values of all its variants")
    architecture: Architecture | None = Field(
        None, description="another classifier than the study's, of all its variants"
    )
    starts_from: str | None = Field(
        None, description="defense/variant whose checkpoint is the start of all its variants"
    )
    variants: dict[Annotated[str, Field(pattern=NAME)], VariantSpec] = Field(
        default_factory=lambda: {"main": VariantSpec()}, description="name: what differs"
    )


def unique_seeds(value: tuple[int, ...] | None) -> tuple[int, ...] | None:
    if value is not None and (not value or len(set(value)) != len(value)):
        raise ValueError("seeds must be unique and at least one")
    return value


class Study(Strict):
    """One study: data set, architecture, threat model, training budget, attacks, and the grid of variants."""

    name: str = Field(pattern=NAME, description="equal to the file's name")
    about: str = Field(description="what the study is for, in a sentence")
    reduced: bool = Field(
        False, description="its budget is cut on purpose: directions are judged, a paper's numbers never"
    )
    data: Data
    architecture: Architecture
    threat: Threat
    training: Training | None = Field(None, description="needed where anything is trained")
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field(description="training seeds")
    evaluation: Evaluation
    defenses: dict[str, DefenseSpec] = Field(description="defense: its variants")

    @field_validator("seeds")
    @classmethod
    def _unique(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        unique_seeds(value)
        return value


class StudyChoice(Strict):
    """How a study takes part in the reports."""

    start_from: Depth = Field(
        "scratch", description="train, or only attack recorded checkpoints, or only judge"
    )


class Config(Strict):
    """`config.yaml`: what is run and where things lie."""

    studies: dict[str, StudyChoice] = Field(description="study: how deep it is re-run")
    mirror: str | None = Field(
        None, description="folder that is looked at before the network for data sets and published weights"
    )

    @model_validator(mode="after")
    def _some(self) -> "Config":
        if not self.studies:
            raise ValueError("at least one study must be named")
        return self
