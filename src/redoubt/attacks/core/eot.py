"""Random models: gradients averaged over draws, and verdicts over repeated fresh predictions.

An attack that stops at the first misclassified draw reports luck, not robustness, and one that descends the gradient
of a single draw is too weak (Athalye et al. 2018, section 4.2). So `expectation` averages what an attack ascends,
and `repeated` judges its points on draws that the attack never saw.

Random models draw from torch's default generator.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from redoubt.attacks.core.checked_input import PROBE, Model
from redoubt.attacks.core.engine import Counted, predict
from redoubt.errors import RedoubtError
from redoubt.seeds import derive

DRAWS = 10  # fresh predictions that judge a random model; ours, the K >= 10 that a mean within 0.1 needs
TOGETHER = 500  # images a pass of several draws; on 8x8 images 25 x 20 take 0.4 of the time of 20 passes
LOOKED_AT = 32  # images that decide whether a model is random


class Expectation(Counted):
    """A counted model whose `value_and_gradient` averages over `draws` passes.

    A model that says `draws_each_image` draws independently for each image of a batch: small batches of it are
    repeated, so that several draws share a pass.

    Calling it makes one draw, as the deployed model does: an average of logits would be an ensemble, which is more
    robust than the model that is judged.
    """

    def __init__(self, model: Model, draws: int):
        super().__init__(model)
        self.draws = draws

    def mean(self, x: Tensor) -> Tensor:
        """(N, K) logits averaged over the draws."""
        return cast(Tensor, sum(self(x) for _ in range(self.draws))) / self.draws

    def value_and_gradient(
        self, loss: Callable[[Tensor], Tensor], x: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """As `Counted.value_and_gradient`: the mean of the loss, not the loss of the mean (Athalye et al., eq. 1)."""
        one_draw, n = Counted(self.model), len(x)
        each = lambda logits: torch.cat([loss(part) for part in logits.split(n)])
        at_once = max(1, TOGETHER // n) if getattr(self.model, "draws_each_image", False) else 1
        parts: list[tuple[Tensor, ...]] = []
        for k in _parts(self.draws, at_once):
            found = one_draw.value_and_gradient(each, x.repeat(k, 1, 1, 1))
            parts += zip(*(v.split(n) for v in found), strict=True)
        self.forward += one_draw.forward
        self.backward += one_draw.backward
        self.forward_calls += one_draw.forward_calls
        self.backward_calls += one_draw.backward_calls
        value, gradient, logits = (torch.stack(p).mean(0) for p in zip(*parts, strict=True))
        return value, gradient, logits


def _parts(whole: int, most: int) -> list[int]:
    """`whole` as a sum of numbers up to `most`."""
    return [min(most, whole - done) for done in range(0, whole, most)]


def expectation(model: Model, draws: int) -> Counted:
    """The counted model that an attack ascends: plain for one draw, averaged for more.

    Raises:
        RedoubtError: fewer than one draw.
    """
    if draws < 1:
        raise RedoubtError("a model needs one draw or more", key="eot", value=draws)
    return Counted(model) if draws == 1 else Expectation(model, draws)


@contextlib.contextmanager
def _own_draws(x: Tensor, seed: int) -> Iterator[None]:
    """The default generators start from `seed` inside and are as before after."""
    with torch.random.fork_rng(devices=[x.device] if x.device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def is_random(model: Model, x: Tensor) -> bool:
    """True where two passes over the same images, the first 32, differ by more than rounding.

    Rounding: a GPU may sum in another order each time; 1e-4 of the largest logit is far above that, and far below
    any noise that a defense could hope to gain from. A model that rarely draws may be missed: one that is wrong by
    chance for a tenth of the images is, once in 600 times.
    """
    if not len(x):
        return False
    with torch.no_grad(), _own_draws(x, 0):
        for part in x[:LOOKED_AT].split(PROBE):
            first, second = model(part), model(part)
            if (first - second).abs().max() > 1e-4 * (1 + first.abs().max()):
                return True
    return False


@dataclass(frozen=True)
class Repeated:
    """Fresh predictions of the same images.

    Attributes:
        correct: (K, N) bool, one row a draw.
    """

    correct: Tensor

    @property
    def fraction(self) -> Tensor:
        """(N,) share of the draws in which each example is classified correctly."""
        return self.correct.float().mean(0)

    @property
    def mean(self) -> float:
        """Expected accuracy."""
        return self.correct.float().mean().item()

    @property
    def worst(self) -> float:
        """Share of the examples that are right in every draw: what is left if an attacker may try K times."""
        return self.correct.all(0).float().mean().item()

    def summary(self) -> dict[str, float]:
        """What a record keeps."""
        return {"draws": len(self.correct), "mean_accuracy": self.mean, "accuracy_in_every_draw": self.worst}


def repeated(
    model: Model, x: Tensor, y: Tensor, k: int = DRAWS, seed: int = 0, batch_size: int = 512
) -> Repeated:
    """`k` fresh predictions of x (N, C, H, W), from draws that depend on `seed` alone.

    Raises:
        RedoubtError: k below 1, or logits that are not finite.
    """
    if k < 1:
        raise RedoubtError("a model needs one draw or more", key="k", value=k)
    rows = []
    for draw in range(k):
        with _own_draws(x, derive(seed, "fresh prediction", draw)):
            rows.append(predict(model, x, batch_size).argmax(1) == y)
    return Repeated(torch.stack(rows))
