"""What every attack shares: frozen models, input gradients, counted passes, results.

An attack is a function

    attack(model, x, y, *, eps, norm="linf", seed=0, batch_size=512, ...) -> AttackResult

on any callable `model` from [0, 1] pixels (N, C, H, W) to logits (N, K). It never changes the model, works on
the examples that still stand, and is judged on fresh float32 predictions.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from redoubt.attacks.core.affine_batch_norm import affine_norms
from redoubt.attacks.core.checked_input import Model, check_logits
from redoubt.errors import RedoubtError

NO_GRAPH = ("Can't call numpy()", "is not implemented")  # how torch says that a model leaves its graph
T = TypeVar("T")  # a tensor or a tuple of tensors


@dataclass(frozen=True)
class AttackResult:
    """What an attack found, one entry an example.

    Attributes:
        x_adv: (N, C, H, W) in [0, 1], on the device of the input; the strongest point found for each example.
        correct: (N,) bool, True where the model still gives the true label at `x_adv`.
        forward: forward passes, counted in images.
        backward: backward passes, counted in images.
        calls: forward and backward calls of the model, whatever the batch size.
        info: what this attack alone can say, e.g. survivors after each stage.
    """

    x_adv: Tensor
    correct: Tensor
    forward: int = 0
    backward: int = 0
    calls: tuple[int, int] = (0, 0)
    info: dict = field(default_factory=dict)


def answer(model: Model, x: Tensor) -> Tensor:
    """Logits with their graph; without one where the model leaves torch on its way (numpy, PIL)."""
    try:
        return model(x)
    except RuntimeError as error:
        if not _no_graph(error):
            raise
    with torch.no_grad():
        return model(x.detach())


def slope(value: Tensor, x: Tensor, retain_graph: bool = False) -> Tensor:
    """The gradient of a number with respect to x; 0 where no path leads from x to it.

    A model without a path (a hard sign, `detach`) is one that gradient attacks do not break. That is a finding, which
    the probes flag, and no crash: what needs no gradient still attacks it.
    """
    if not value.requires_grad:
        return torch.zeros_like(x)
    try:
        (found,) = torch.autograd.grad(value, x, retain_graph=retain_graph, allow_unused=True)
    except RuntimeError as error:
        if not _no_graph(error):
            raise
        found = None
    return torch.zeros_like(x) if found is None else found


def _no_graph(error: RuntimeError) -> bool:
    return any(sign in str(error) for sign in NO_GRAPH)


class Counted:
    """A model that counts its passes; gradients are taken through `value_and_gradient` so they count too."""

    def __init__(self, model: Model):
        self.model = model
        self.forward = self.backward = self.forward_calls = self.backward_calls = 0

    def __call__(self, x: Tensor) -> Tensor:
        self.forward += len(x)
        self.forward_calls += 1
        return self.model(x)

    def value_and_gradient(
        self, loss: Callable[[Tensor], Tensor], x: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One forward and one backward pass.

        Args:
            loss: logits (N, K) -> per-example loss (N,).
            x: (N, C, H, W).

        Returns:
            (loss (N,), gradient of its sum with respect to x, logits (N, K)), all detached.
        """
        x = x.detach().requires_grad_()
        with torch.enable_grad():
            logits = answer(self, x)
            each = loss(logits)
            gradient = slope(each.sum(), x)
        self.backward += len(x)
        self.backward_calls += 1
        return each.detach(), gradient, logits.detach()

    @property
    def calls(self) -> tuple[int, int]:
        return self.forward_calls, self.backward_calls


@contextlib.contextmanager
def frozen(model: Model) -> Iterator[None]:
    """No parameter of `model` asks for a gradient inside; the flags come back after. The mode is left alone."""
    parameters = [p for p in model.parameters() if p.requires_grad] if isinstance(model, nn.Module) else []
    for p in parameters:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in parameters:
            p.requires_grad_(True)


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Eval mode and no parameter gradients inside, every submodule's mode restored after: attacks in training."""
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        with frozen(model), affine_norms(model):
            yield
    finally:
        for m, mode in modes:
            m.training = mode


def attacking(model: nn.Module, mode: str) -> contextlib.AbstractContextManager:
    """What a training attack runs in.

    Args:
        mode: `eval` is `evaluating`. `train` leaves the model as a training step has it, weights without gradients:
            batch norm uses the statistics of the batch, and its running ones move with each pass.
    """
    return evaluating(model) if mode == "eval" else frozen(model)


class _LogProbabilities(nn.Module):
    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        p = self.model(x)
        return p.clamp_min(torch.finfo(p.dtype).tiny).log()


def from_probabilities(model: nn.Module) -> nn.Module:
    """A model of probabilities (N, K) as one of logits: log p differs from the logits by a constant a row only.

    Where a probability has underflowed to 0 the gradient is lost: attack the logits themselves if you can.
    """
    return _LogProbabilities(model).train(model.training)


def _out_of_memory(error: RuntimeError) -> bool:
    """CUDA has an error of its own; the CPU allocator only says so in its text."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def batched(work: Callable[[slice], T], n: int, batch_size: int) -> T:
    """`work` over slices of at most `batch_size` of n > 0 examples, its tensors concatenated.

    Where memory runs out the batch is halved and the slice done again. The passes of a failed slice stay counted.

    Raises:
        RedoubtError: memory runs out on a single example.
    """
    parts: list[Any] = []
    start = 0
    while start < n:
        try:
            parts.append(work(slice(start, min(start + batch_size, n))))
            start += batch_size
            continue
        except RuntimeError as error:
            if not _out_of_memory(error):
                raise
        # Outside the except block: the exception held on to the failed slice's tensors.
        if batch_size == 1:
            raise RedoubtError(
                "out of memory with a single image", hint="use a larger device or a smaller model"
            )
        batch_size = max(1, min(batch_size, n) // 2)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    if isinstance(parts[0], Tensor):
        return cast(T, torch.cat(parts))
    return cast(T, tuple(torch.cat(p) for p in zip(*parts, strict=True)))


def predict(model: Model, x: Tensor, batch_size: int) -> Tensor:
    """(N, K) logits of x (N, C, H, W), in float32 even under autocast.

    Raises:
        RedoubtError: see `check_logits`.
    """
    if not len(x):
        return x.new_empty(0, 1)  # no answer was seen: the number of classes is unknown
    with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
        logits = batched(lambda rows: model(x[rows].float()), len(x), batch_size)
    check_logits(logits)
    return logits


def distance(x_adv: Tensor, x: Tensor, norm: str) -> Tensor:
    """(N,) distance of each perturbed image from its original, in `norm`."""
    delta = (x_adv - x).flatten(1)
    return delta.abs().amax(1) if norm == "linf" else delta.norm(dim=1)
