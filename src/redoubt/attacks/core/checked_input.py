"""The door of every attack: arrays become float32 tensors, and what would give a wrong number is refused in words.

Every attack passes here (`entry_exit.attack`, `autoattack.stages`, `autoattack.reference`), and so do the probes.
"""

import contextlib
import math
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from numbers import Real

import numpy as np
import torch
from torch import Tensor, nn

from redoubt.errors import RedoubtError, nearest

NORMS = ("linf", "l2")
PROBE = 8  # images on which a model's answers are looked at before an attack
Model = Callable[[Tensor], Tensor]
_any_radius = ContextVar("any_radius", default=False)


@contextlib.contextmanager
def any_radius() -> Iterator[None]:
    """Inside, radii that cover the whole pixel range are accepted: for someone who means them."""
    token = _any_radius.set(True)
    try:
        yield
    finally:
        _any_radius.reset(token)


def check_input(
    model: Model,
    x: Tensor,
    y: Tensor,
    eps: float,
    norm: str,
    covers: bool = False,
    classes: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The images as float32 and the labels as int64, on the images' device; refuses what would give a wrong number.

    Args:
        model: from (N, C, H, W) pixels in [0, 1] to logits (N, K), in eval mode, with float32 weights.
        x, y: (N, C, H, W) and (N,), tensors or arrays; floating point of any precision, and whole numbers.
        eps, norm: the ball.
        covers: a radius may cover the pixel range: the attack looks for the smallest perturbation at any distance,
            or its radius is none of pixels. Everywhere else inside `any_radius` only.
        classes: how many the data have, where that is known.

    Raises:
        RedoubtError: pixels outside [0, 1] or not finite, labels out of range, a model in train mode, a radius that
            is negative or covers the pixel range, an unknown norm, shapes that do not belong together, a model that
            cannot be called on these images, changes them, lies on another device or has weights of another
            precision, or answers with something else than finite logits of two or more classes.
    """
    if norm not in NORMS:
        raise RedoubtError("unknown norm", value=norm, allowed=NORMS, nearest=nearest(norm, NORMS))
    if isinstance(eps, bool) or not isinstance(eps, Real) or not eps >= 0:
        raise RedoubtError(
            "the radius of an attack must be a number, 0 or more",
            key="eps",
            value=eps,
            allowed="such as 8/255",
        )
    x, y = _images(x), _labels(y)
    if x.ndim != 4 or y.shape != x.shape[:1]:
        raise RedoubtError(
            "images and labels do not belong together",
            value=f"x {tuple(x.shape)}, y {tuple(y.shape)}",
            allowed="x (N, C, H, W) and y (N,)",
        )
    if not (covers or _any_radius.get()):
        check_radius(eps, norm, x.shape[1:])
    if not callable(model):
        raise RedoubtError("a model must be callable", value=type(model).__name__, allowed="an nn.Module")
    if isinstance(model, nn.Module) and any(m.training for m in model.modules()):
        raise RedoubtError(
            "the model is in train mode: its answers depend on the batch", hint="call model.eval() first"
        )
    y = y.to(x.device)
    if len(x) == 0:
        return x, y
    _check_pixels(x)
    logits = _answer(model, x[:PROBE]).shape[1]
    if logits < 2:
        raise RedoubtError(
            "a model with one class cannot be attacked", value=logits, allowed="2 or more logits"
        )
    if classes is not None and logits != classes:
        raise RedoubtError("the model and the data differ in classes", value=logits, allowed=str(classes))
    if y.min() < 0 or y.max() >= logits:
        raise RedoubtError(
            "labels out of range: the model has fewer classes",
            value=f"{y.min().item()} to {y.max().item()}",
            allowed=f"0 to {logits - 1}",
        )
    return x, y


def check_radius(eps: float, norm: str, shape: tuple[int, ...]) -> None:
    """Refuses a ball in which every image of [0, 1] lies: nothing is robust there, whatever was trained.

    Raises:
        RedoubtError: linf eps of 1 or more; l2 eps of the square root of C * H * W or more.
    """
    limit = 1.0 if norm == "linf" else math.sqrt(math.prod(shape))
    if eps >= limit:
        likely = f"{eps:g}/255" if norm == "linf" else None
        raise RedoubtError(
            "this radius covers the whole pixel range: every image can become any other",
            key="eps",
            value=eps,
            allowed=f"{norm} below {limit:g}: pixels are in [0, 1]",
            nearest=likely,
            hint="call it inside redoubt.attacks.core.checked_input.any_radius() if it is meant",
        )


def _images(x: Tensor) -> Tensor:
    if isinstance(x, np.ndarray):
        x = torch.from_numpy(np.ascontiguousarray(x)) if x.dtype.kind in "biuf" else x
    if not isinstance(x, Tensor) or x.is_complex():
        kind = x.dtype if isinstance(x, np.ndarray | Tensor) else type(x).__name__
        raise RedoubtError("images must be a tensor or an array of numbers", value=str(kind))
    if not x.is_floating_point():
        raise RedoubtError(
            "images must be floating point in [0, 1]", value=str(x.dtype), hint="divide 0 to 255 by 255"
        )
    return x.detach().float()


def _labels(y: Tensor) -> Tensor:
    try:
        y = torch.as_tensor(y)
    except (TypeError, ValueError, RuntimeError):
        raise RedoubtError("labels must be a tensor or an array of numbers", value=type(y).__name__) from None
    if len(y.shape) and len(y) and (y.is_floating_point() or y.is_complex()):
        raise RedoubtError("labels must be whole numbers", value=str(y.dtype), allowed="int64")
    return y.to(torch.int64)


def _check_pixels(x: Tensor) -> None:
    low, high = x.min().item(), x.max().item()
    if not (torch.isfinite(x).all() and low >= 0 and high <= 1):
        raise RedoubtError(
            "images must be finite pixels in [0, 1]",
            value=f"{low:.4g} to {high:.4g}",
            hint="divide by 255" if 1 < high <= 255 and low >= 0 else "normalise inside the model",
        )


def _answer(model: Model, x: Tensor) -> Tensor:
    """The model's logits of a few images, called for the first time: whatever does not fit comes up here."""
    given = x.clone()
    try:
        with torch.no_grad():
            logits = model(given)
    except (RedoubtError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise _why(model, x, error) from error
    if not torch.equal(given, x):
        raise RedoubtError("the model changes its input in place", hint="let it work on a copy, x.clone()")
    check_logits(logits)
    if logits.device != x.device:
        raise _elsewhere(logits.device, x.device)
    if len(logits) != len(x):
        raise RedoubtError(
            "a model must answer with one row of logits an image",
            value=f"{tuple(logits.shape)} for {len(x)} images",
        )
    return logits


def _elsewhere(model: torch.device, images: torch.device) -> RedoubtError:
    return RedoubtError(
        "the model lies on another device than the images", value=str(model), allowed=str(images),
        hint=f"model.to({str(images)!r}), or move the images",
    )  # fmt: skip


def _why(model: Model, x: Tensor, error: Exception) -> RedoubtError:
    """What is wrong with a model that raises."""
    held = dict(_tensors(model)) if isinstance(model, nn.Module) else {}
    devices = {v.device for v in held.values()}
    if devices and x.device not in devices:
        return _elsewhere(devices.pop(), x.device)
    other = {k: v.dtype for k, v in held.items() if v.is_floating_point() and v.dtype != torch.float32}
    if other:
        name, kind = next(iter(other.items()))
        return RedoubtError(
            f"the model's weights are {str(kind).removeprefix('torch.')}, images are float32",
            key=name, hint="model.float()",
        )  # fmt: skip
    text = (str(error).splitlines() or [""])[0]
    return RedoubtError(
        "the model cannot be called on these images",
        value=f"x {tuple(x.shape)}: {type(error).__name__}: {text}",
    )


def _tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from model.named_parameters()
    yield from model.named_buffers()


def check_logits(logits: Tensor) -> None:
    """Refuse answers that are no logits.

    Raises:
        RedoubtError: no tensor of floating point, not (N, K), not finite, or probabilities. Cross-entropy takes the
            softmax of what it gets, and that of a softmax has gradients that are far too small: an attack would seem
            to fail.
    """
    if not isinstance(logits, Tensor):
        hint = "lambda x: model(x).logits" if hasattr(logits, "logits") else "lambda x: model(x)[0]"
        raise RedoubtError(
            "a model must answer with logits alone", value=type(logits).__name__,
            allowed="a tensor (N, K)", hint=f"wrap it, e.g. {hint}",
        )  # fmt: skip
    if logits.ndim != 2:
        raise RedoubtError("a model must answer with one row of logits an image", value=tuple(logits.shape))
    if not logits.is_floating_point():
        raise RedoubtError("a model must answer with logits, not with classes", value=str(logits.dtype))
    if logits.is_meta:
        raise RedoubtError("the model holds no weights: it lies on the meta device")
    if not torch.isfinite(logits).all():
        bad = int((~torch.isfinite(logits)).any(1).sum())
        raise RedoubtError(
            "the model answers with NaN or infinite logits: its robustness cannot be measured",
            value=f"{bad} of {len(logits)} images",
        )
    # One row may sum to one by accident; a single class is another error.
    if logits.shape[1] > 1 and logits.min() >= 0 and ((logits.sum(1) - 1).abs() < 1e-4).all():
        raise RedoubtError(
            "the model answers with probabilities, not logits: their gradients mislead every attack",
            hint="return logits, or wrap it in redoubt.attacks.core.engine.from_probabilities",
        )
