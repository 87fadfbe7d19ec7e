"""The contract of a defense: what is trained, from what, with which loss, and what an attacker faces."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar, cast

import torch
from torch import Tensor, nn

from redoubt import models
from redoubt.attacks.core.engine import attacking
from redoubt.attacks.core.pgd_step import ascend, random_start
from redoubt.defenses.parameters.base import InnerAttack, Parameters
from redoubt.models.base import Classifier

M = TypeVar("M", bound=nn.Module)  # what a defense trains


@dataclass(frozen=True)
class Batch:
    """One training step's images.

    Attributes:
        x: (N, C, H, W) float32 in [0, 1], augmented.
        y: (N,) int64.
        index: (N,) int64, place of each image in the training split.
    """

    x: Tensor
    y: Tensor
    index: Tensor


@dataclass
class State(Generic[M]):
    """What a step may know and change.

    Attributes:
        model: what `build` returned; everything that has to survive an interruption is in its state dict.
        optimizers: what `optimizers` returned.
        generator: the source of every draw of the step.
        epoch, epochs: current epoch from 0, and how many.
        step, steps_per_epoch: current step from 0 over the whole training.
        warmup: factor in [0, 1] of the attack's radius.
    """

    model: M
    optimizers: dict[str, torch.optim.Optimizer]
    generator: torch.Generator
    epoch: int = 0
    epochs: int = 1
    step: int = 0
    steps_per_epoch: int = 1
    warmup: float = 1.0


@dataclass(frozen=True)
class View:
    """A model that an attack's gradient goes through, and why it is attacked that way."""

    model: nn.Module
    why: str
    random: bool = False


class Defense(Generic[M]):
    """One way of training. A subclass overrides what its paper changes.

    Args:
        num_classes, in_channels, image_size: of the data set.
        architecture: name and options of the classifier.
        threat: norm and eps (pixels of [0, 1]).
        params: an instance of `Params`.
    """

    paper: ClassVar[str | None] = None
    Params: ClassVar[type[Parameters]] = Parameters
    selects_on: ClassVar[str] = "robust"
    random: ClassVar[bool] = False
    graphs: ClassVar[bool] = True  # False where a step goes back through one graph twice: no CUDA graphs

    def __init__(self, *, shape: tuple[int, int, int], architecture: dict, threat: dict, params: Parameters):
        self.num_classes, self.in_channels, self.image_size = shape
        self.architecture, self.params = architecture, params
        self.norm, self.eps = threat["norm"], threat["eps"]

    def classifier(self) -> Classifier:
        """A freshly initialised classifier of the study's architecture."""
        return models.classifier(
            self.architecture["name"],
            num_classes=self.num_classes,
            in_channels=self.in_channels,
            image_size=self.image_size,
            **self.architecture["options"],
        )

    def build(self) -> M:
        """What is trained; its state dict is the checkpoint."""
        return cast(M, self.classifier())  # M of a defense that does not override this

    def initialize(self, model: M, source: nn.Module) -> None:
        """Takes the weights of the run named by `starts_from`; `source` is what that run deploys."""
        model.load_state_dict(source.state_dict())

    def optimizers(self, model: M, make) -> dict[str, torch.optim.Optimizer]:
        """Name: optimizer; `make(parameters, **changes)` builds the study's. Each follows the schedule."""
        return {"model": make([p for p in model.parameters() if p.requires_grad])}

    def loss(self, batch: Batch, state: State[M]) -> tuple[Tensor, dict[str, Tensor]]:
        """The scalar loss of one step, attack included, and what to log (0-dim tensors, detached)."""
        raise NotImplementedError(f"{type(self).__name__} has no loss")

    def step(self, batch: Batch, state: State[M]) -> dict[str, Tensor]:
        """One update; a method with several optimizers overrides this."""
        return self.apply(*self.loss(batch, state), state)

    def apply(self, loss: Tensor, metrics: dict[str, Tensor], state: State[M]) -> dict[str, Tensor]:
        """One step of every optimizer by the loss; `metrics` with it."""
        for optimizer in state.optimizers.values():
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        for optimizer in state.optimizers.values():
            optimizer.step()
        return {"loss": loss.detach(), **metrics}

    def finish(self, model: M, evaluate: Callable[[], tuple[float, float]]) -> None:
        """After the last epoch, for the best and the last weights each: sets what is chosen on validation images.

        Args:
            model: in eval mode; what is set in its buffers is written with its weights.
            evaluate: clean accuracy and accuracy under a short PGD of what `deployed` makes of the model now.
        """

    def deployed(self, model: M) -> nn.Module:
        """The end-to-end classifier on [0, 1] pixels that an attacker faces."""
        return model

    def adaptive(self, model: M) -> dict[str, View]:
        """The views of the deployed model that an adaptive attacker takes gradients through, by name."""
        return {"deployed": View(self.deployed(model), "the whole system, end to end", self.random)}

    def perturb(
        self,
        model: nn.Module,
        batch: Batch,
        state: State,
        objective,
        start: Tensor | None = None,
        *,
        radius: float = 1.0,
        mode: str = "eval",
    ) -> Tensor:
        """The inner maximisation: PGD on `objective`, with the model's weights frozen.

        Args:
            objective: images -> loss to maximise, one value an example or a scalar.
            start: default a random point of the ball.
            radius: of the ball and with it of the steps, as a share of the study's.
            mode: of the model, see `engine.attacking`.

        Returns:
            (N, C, H, W) adversarial images, detached.
        """
        eps = radius * self.eps * state.warmup
        if start is None:
            start = random_start(batch.x, self.norm, eps, state.generator)
        inner = cast(InnerAttack, self.params)  # a defense that calls this has its fields
        with attacking(model, mode):
            return ascend(
                objective,
                batch.x,
                eps=eps,
                step_size=inner.step_size * eps,
                steps=inner.steps,
                norm=self.norm,
                start=start,
            )
