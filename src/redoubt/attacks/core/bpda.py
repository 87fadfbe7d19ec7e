"""BPDA (Athalye et al. 2018, section 4.1): a stage of a model that declares its backward pass.

A stage whose gradient is missing, zero or useless keeps its forward pass and borrows the derivative of another
function. The model that results is an ordinary module, so that every attack of this package runs on it:

    attacked = nn.Sequential(with_backward(purifier, nn.Identity()), classifier)

Borrowing is an attack of its own, never a replacement: where a full gradient exists, it is run as well and the worst
case counts. Points are always judged on the deployed model.
"""

import torch
from torch import Tensor, nn

from redoubt.errors import RedoubtError, nearest

BACKWARDS = ("none", "straight_through", "relaxed")


class _Replaced(torch.autograd.Function):
    """The first argument forward, the second one's gradient backward."""

    @staticmethod
    def forward(ctx, value: Tensor, surrogate: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[None, Tensor]:
        return None, gradient


def replace_gradient(value: Tensor, surrogate: Tensor) -> Tensor:
    """`value`, bit for bit, whose derivative is that of `surrogate` (the usual `s + (v - s).detach()` rounds).

    Raises:
        RedoubtError: the two differ in shape.
    """
    if value.shape != surrogate.shape:
        raise RedoubtError(
            "a borrowed gradient needs an output of the stage's shape",
            value=f"{tuple(surrogate.shape)}, the stage gives {tuple(value.shape)}",
        )
    return _Replaced.apply(value.detach(), surrogate)


class WithBackward(nn.Module):
    """`stage` forward, the derivative of `surrogate` at the same input backward."""

    def __init__(self, stage: nn.Module, surrogate: nn.Module):
        super().__init__()
        self.stage, self.surrogate = stage, surrogate

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            value = self.stage(x)
        if not torch.is_grad_enabled():
            return value
        return replace_gradient(value, self.surrogate(x))


def with_backward(stage: nn.Module, surrogate: nn.Module) -> nn.Module:
    """A module that computes `stage` and differentiates `surrogate`.

    Args:
        stage: the deployed stage; it runs without a graph, so it may contain anything.
        surrogate: a differentiable stand-in with outputs of the same shape.
    """
    return WithBackward(stage, surrogate).train(stage.training)


def identity_backward(stage: nn.Module) -> nn.Module:
    """BPDA with the identity: for a stage that returns nearly its input, a purifier or a quantiser."""
    return with_backward(stage, nn.Identity())


def hard_mask(
    scores: Tensor, threshold: Tensor | float, backward: str = "none", temperature: float = 1.0
) -> Tensor:
    """1 where scores >= threshold, else 0, with a declared derivative with respect to `scores`.

    Args:
        scores: any shape.
        threshold: broadcasts against the scores; its own gradient flows like that of the scores.
        backward: `none`, no derivative (exact almost everywhere: gradients then flow only through what the mask is
            multiplied with); `straight_through`, that of `scores - threshold` (Bengio et al. 2013);
            `relaxed`, that of sigmoid((scores - threshold) / temperature).
        temperature: in units of the scores; a small one is close to the mask and has a gradient in few places.

    Raises:
        RedoubtError: an unknown backward, or a temperature that is not above 0.
    """
    if backward not in BACKWARDS:
        raise RedoubtError(
            "unknown backward pass", value=backward, allowed=BACKWARDS, nearest=nearest(backward, BACKWARDS)
        )
    if not temperature > 0:
        raise RedoubtError("a temperature must be above 0", key="temperature", value=temperature)
    distance = scores - threshold
    mask = (distance >= 0).to(scores.dtype)
    if backward == "none":
        return mask
    return replace_gradient(
        mask, distance if backward == "straight_through" else (distance / temperature).sigmoid()
    )
