"""What a model is, found out by asking it: its manners are put right where that is certain, and said in words."""

import contextlib
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from redoubt.attacks.core.engine import from_probabilities
from redoubt.attacks.core.eot import is_random
from redoubt.errors import RedoubtError
from redoubt.judging.normalization import input_scale

FEW = 8  # images of which the answers are looked at


@dataclass(frozen=True)
class Subject:
    """A model as it is attacked.

    Attributes:
        model: from (N, C, H, W) in [0, 1] to logits (N, K), in eval mode.
        given: what was given, whose `branches` or `soften` an adaptive attack may ask for.
        random: it answers differently each time.
        classes: K.
        remarks: what was found, in sentences.
        checks: lines of a record.
    """

    model: nn.Module
    given: Any
    random: bool
    classes: int
    remarks: list[str]
    checks: list[dict]


class _Function(nn.Module):
    """A plain function with the manners of a module."""

    def __init__(self, function: Callable[[Tensor], Any]):
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(x)


class _Logits(nn.Module):
    """One part of an answer of several: the first of a tuple, or `logits` of a mapping."""

    def __init__(self, model: nn.Module, key: int | str):
        super().__init__()
        self.model, self.key = model, key

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)[self.key]


@contextlib.contextmanager
def modes_kept(given: Any) -> Iterator[None]:
    """The modes of a module's parts are as before after; nothing is done about a function."""
    modes = [(m, m.training) for m in given.modules()] if isinstance(given, nn.Module) else []
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def look(given: Any, x: Tensor, y: Tensor) -> Subject:
    """The model in eval mode and float32, answering with logits.

    Args:
        given: a module or a function. A module is left in eval mode: see `modes_kept`.
        x, y: (N, C, H, W) in [0, 1] and (N,), on the model's device.

    Raises:
        RedoubtError: it cannot be called on these images, or does not answer with finite logits of enough classes.
    """
    if not callable(given):
        raise RedoubtError("a model must be callable", value=type(given).__name__, allowed="an nn.Module")
    remarks: list[str] = []
    model = given if isinstance(given, nn.Module) else _Function(given).eval()
    model = _single(model, remarks)
    if any(m.training for m in model.modules()):
        model.eval()
        remarks.append("The model came in train mode: it is judged in eval mode.")
    model = _answering(model, x, remarks)
    logits = _ask(model, x[:FEW])
    classes = _checked(logits, len(x[:FEW]), y)
    if logits.min() >= 0 and ((logits.sum(1) - 1).abs() < 1e-4).all():
        model = from_probabilities(model)
        remarks.append(
            "The model answers with probabilities: it is attacked through their logarithm. Where one has underflowed "
            "to 0 the gradient is lost, so judge the logits themselves if you can."
        )
    random = is_random(model, x)
    if random:
        remarks.append(
            "The model draws at random: two passes over the same images differ. It is attacked through averages of "
            "draws (EOT, AutoAttack's `rand`) and judged by fresh predictions."
        )
    line, said = input_scale(model, x, y)
    return Subject(model, given, random, classes, [*remarks, *said], [line])


def _single(model: nn.Module, remarks: list[str]) -> nn.Module:
    """The model in float32; a copy where it has another precision."""
    kinds = {t.dtype for t in (*model.parameters(), *model.buffers()) if t.is_floating_point()}
    if kinds <= {torch.float32}:
        return model
    remarks.append(f"The model has {', '.join(sorted(map(str, kinds)))} weights: a float32 copy is judged.")
    return copy.deepcopy(model).float()


def _ask(model: nn.Module, x: Tensor) -> Any:
    try:
        with torch.no_grad():
            return model(x)
    except (RedoubtError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        first = (str(error).splitlines() or [""])[0]
        raise RedoubtError(
            f"the model cannot be called on these images: {type(error).__name__}: {first}",
            value=f"x {tuple(x.shape)}, {x.dtype}, on {x.device}",
            hint="it must take a batch of [0, 1] pixels (N, C, H, W)",
        ) from error


def _answering(model: nn.Module, x: Tensor, remarks: list[str]) -> nn.Module:
    """The model, or the part of its answer that can be logits."""
    answer = _ask(model, x[:FEW])
    if isinstance(answer, Tensor):
        return model
    key: int | str | None = None
    if isinstance(answer, tuple | list) and answer and isinstance(answer[0], Tensor):
        key, what = 0, f"{len(answer)} things: the first of them is"
    elif isinstance(answer, dict) and isinstance(answer.get("logits"), Tensor):
        key, what = "logits", "a mapping: its `logits` are"
    if key is None:
        raise RedoubtError(
            "a model must answer with one tensor of logits", value=type(answer).__name__,
            allowed="a tensor (N, K), a tuple that begins with one, or a mapping with `logits`",
        )  # fmt: skip
    remarks.append(f"The model answers with {what} judged.")
    return _Logits(model, key).eval()


def _checked(logits: Tensor, n: int, y: Tensor) -> int:
    """How many classes; refuses what are no logits of these labels."""
    if logits.ndim != 2 or len(logits) != n or logits.shape[1] < 2:
        raise RedoubtError(
            "a model must answer with one row of logits an image, of two classes or more",
            value=f"{tuple(logits.shape)} for {n} images",
        )
    if not torch.isfinite(logits).all():
        raise RedoubtError("the model answers with NaN or infinite logits: its robustness cannot be measured")
    if y.max() >= logits.shape[1]:
        raise RedoubtError(
            "labels out of range: the model has fewer classes", value=f"{y.min().item()} to {y.max().item()}",
            allowed=f"0 to {logits.shape[1] - 1}",
        )  # fmt: skip
    return logits.shape[1]
