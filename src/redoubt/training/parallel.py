"""One training on several processes, a device each: `torchrun --nproc-per-node 4 --no-python redoubt train …`.

Every process holds the whole batch and does the whole step of the defense, with the same draws. Only the passes of
the classifiers are split: each computes its rows, and their outputs are put together for all. On the way back the
gradients of images and weights are summed, so that loss and gradient are those of the whole batch, to rounding,
whatever a defense makes of them: several backward passes, gradients of single terms, masks, buffers of its own.
DistributedDataParallel and hooks of the optimizer average at one point of a step, which is right for some only.

What is no classifier (an inpainter, a discriminator) is computed whole by each process, and so is a classifier with
dropout in training mode, whose masks are drawn inside, or a batch of fewer images than processes.
"""

import atexit
import contextlib
import functools
import hashlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm

from redoubt.errors import RedoubtError
from redoubt.models.base import Classifier
from redoubt.progress import console

PASSES = ("forward", "features", "maps")  # of a classifier, from images


def asked() -> int:
    """How many processes the environment says that there are: 1 without RANK and WORLD_SIZE.

    Raises:
        RedoubtError: WORLD_SIZE is no number.
    """
    if "RANK" not in os.environ:
        return 1
    size = os.environ.get("WORLD_SIZE", "1")
    if not size.isdecimal() or not int(size):
        raise RedoubtError("no number of processes", key="WORLD_SIZE", value=size, hint="start with torchrun")
    return int(size)


class Group:
    """The processes of one training; this one alone where there is no other.

    Attributes:
        rank: of this process, from 0.
        processes: how many there are.
    """

    def __init__(self, rank: int = 0, processes: int = 1):
        self.rank, self.processes = rank, processes

    @property
    def leads(self) -> bool:
        """Whether this process writes what is written once."""
        return self.rank == 0

    def first(self, make: Callable[[], Any]) -> Any:
        """What `make` gives the first process, for all: a measurement, the time."""
        if self.processes == 1:
            return make()
        held = [make() if self.leads else None]
        dist.broadcast_object_list(held)
        return held[0]

    def wait(self) -> None:
        """Until all are here."""
        if self.processes > 1:
            dist.barrier()

    def compare(self, model: nn.Module, epoch: int) -> None:
        """Refuses to go on where processes have come to other weights, or begin at another epoch.

        Raises:
            RedoubtError: they have, so what follows would be the training of no model.
        """
        if self.processes == 1:
            return
        hashed = hashlib.sha256(str(epoch).encode())
        for tensor in model.state_dict().values():
            hashed.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        found: list[Any] = [None] * self.processes
        dist.all_gather_object(found, hashed.hexdigest())
        if len(set(found)) > 1:
            raise RedoubtError(
                "the processes of this training hold different weights", key="epoch", value=epoch,
                hint="one kind of device for all of them, and one folder that all can read",
            )  # fmt: skip

    @contextlib.contextmanager
    def sharing(self, synchronized: bool) -> Iterator[None]:
        """Inside, the passes of every classifier are split over the processes.

        Args:
            synchronized: batch norm takes the statistics of the whole batch, as with one process. Otherwise those of
                the process's own rows; its running statistics are the mean of the processes'.
        """
        if self.processes == 1:
            yield
            return
        kept = {name: vars(Classifier)[name] for name in PASSES}
        norms = {kind: kind.forward for kind in (nn.BatchNorm1d, nn.BatchNorm2d)}
        split = _Split(self, synchronized)
        for name, computed in kept.items():
            setattr(Classifier, name, split.of(computed))
        for kind, forward in norms.items():
            kind.forward = split.norm(forward)  # type: ignore[method-assign, assignment]  # put back below
        try:
            yield
        finally:
            for name, computed in kept.items():
                setattr(Classifier, name, computed)
            for kind, forward in norms.items():
                kind.forward = forward  # type: ignore[method-assign]


@functools.cache
def join(device: str) -> Group:
    """The group that this process belongs to: gloo on a CPU, NCCL on CUDA, where each process takes its own GPU.

    Only the first process speaks from here on.

    Raises:
        RedoubtError: the machine has fewer GPUs than processes, or the others cannot be reached.
    """
    if asked() == 1:
        return Group()
    on_gpu = device.startswith("cuda")
    if on_gpu:
        place = int(os.environ.get("LOCAL_RANK", "0"))
        if place >= torch.cuda.device_count():
            raise RedoubtError(
                "fewer GPUs than processes", key="LOCAL_RANK", value=place,
                allowed=f"below {torch.cuda.device_count()}", hint="torchrun --nproc-per-node, one for each GPU",
            )  # fmt: skip
        torch.cuda.set_device(place)
    try:
        dist.init_process_group("nccl" if on_gpu else "gloo")
    except (ValueError, RuntimeError) as error:
        raise RedoubtError(
            f"cannot join the other processes: {error}", key="RANK", value=os.environ["RANK"],
            hint="start with torchrun, which sets RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT",
        ) from None  # fmt: skip
    atexit.register(dist.destroy_process_group)
    group = Group(dist.get_rank(), dist.get_world_size())
    console.quiet = not group.leads
    return group


class _Split:
    """The split of the passes: which rows are whose, and what is being computed."""

    def __init__(self, group: Group, synchronized: bool):
        self.group, self.synchronized = group, synchronized
        self.inside = False  # a pass of this process's rows is under way

    def of(self, computed: Callable) -> Callable:
        """A pass of a classifier that computes this process's rows and gives those of all."""

        @functools.wraps(computed)
        def shared(model: Classifier, x: Tensor) -> Tensor | dict[str, Tensor]:
            n = len(x)
            if self.inside or n < self.group.processes or _draws(model):
                return computed(model, x)
            first, last = (n * r // self.group.processes for r in (self.group.rank, self.group.rank + 1))
            rows = slice(first, last)
            self.inside = True
            try:
                found = _passed(model, computed, rows, x)
            finally:
                self.inside = False
            if not self.synchronized:
                self._average_statistics(model)
            if isinstance(found, dict):
                return {k: _Together.apply(rows, n, v) for k, v in found.items()}
            return _Together.apply(rows, n, found)

        return shared

    def norm(self, forward: Callable) -> Callable:
        """Batch norm's pass, with the statistics of all processes where they are wanted."""

        @functools.wraps(forward)
        def synchronized(norm: _BatchNorm, x: Tensor) -> Tensor:
            if self.inside and self.synchronized and norm.training:
                return _normalized(norm, x)
            return forward(norm, x)

        return synchronized

    def _average_statistics(self, model: nn.Module) -> None:
        """Running statistics that a pass has moved: their mean over the processes."""
        moved = [
            v
            for m in model.modules()
            if isinstance(m, _BatchNorm) and m.training
            for v in (m.running_mean, m.running_var)
            if v is not None
        ]
        if moved:
            flat = torch.cat(moved)
            dist.all_reduce(flat)
            flat /= self.group.processes
            for v, mean in zip(moved, flat.split([len(v) for v in moved]), strict=True):
                v.copy_(mean)


class _Method(nn.Module):
    """A method of a module as a module, for `functional_call`."""

    def __init__(self, model: nn.Module, computed: Callable):
        super().__init__()
        self.model, self.computed = model, computed

    def forward(self, x: Tensor) -> Tensor | dict[str, Tensor]:
        return self.computed(self.model, x)


def _passed(model: nn.Module, computed: Callable, rows: slice, x: Tensor) -> Tensor | dict[str, Tensor]:
    """`computed` of some rows of x; the gradients of x and of the weights are summed over the processes."""
    weights = {f"model.{k}": p for k, p in model.named_parameters() if p.requires_grad}
    if not (torch.is_grad_enabled() and (weights or x.requires_grad)):
        return computed(model, x[rows])
    part, *seen = _Apart.apply(rows, x, *weights.values())
    if not weights:
        return computed(model, part)
    return functional_call(_Method(model, computed), dict(zip(weights, seen, strict=True)), (part,))


class _Apart(torch.autograd.Function):
    """This process's rows of x, and the weights as they are; back: the sums of their gradients over the processes."""

    @staticmethod
    def forward(ctx, rows, x, *weights):
        ctx.set_materialize_grads(False)  # a weight that takes no part has no gradient, rather than zeros
        ctx.rows, ctx.n = rows, len(x)
        return x[rows].clone(), *(w.view_as(w) for w in weights)

    @staticmethod
    def backward(ctx, of_rows, *of_weights):
        wanted = of_rows is not None and ctx.needs_input_grad[1]
        whole = _Together.apply(ctx.rows, ctx.n, of_rows) if wanted else None
        there = [g for g in of_weights if g is not None]
        summed = iter(_sums(there))
        return None, whole, *(None if g is None else next(summed) for g in of_weights)


class _Together(torch.autograd.Function):
    """The rows of all processes from those of each; back: this process's rows of the gradient, which all have."""

    @staticmethod
    def forward(ctx, rows, n, part):
        ctx.rows = rows
        whole = part.new_zeros(n, *part.shape[1:])
        if part.ndim == 4 and part.is_contiguous(memory_format=torch.channels_last):
            whole = whole.contiguous(memory_format=torch.channels_last)
        whole[rows] = part
        dist.all_reduce(whole)
        return whole

    @staticmethod
    def backward(ctx, whole):
        return None, None, _Apart.apply(ctx.rows, whole)[0]


class _Sum(torch.autograd.Function):
    """The sum over the processes, which all go on with alike; back: the gradient itself."""

    @staticmethod
    def forward(ctx, part):
        whole = part.clone()
        dist.all_reduce(whole)
        return whole

    @staticmethod
    def backward(ctx, whole):
        return whole


class _SumForEach(_Sum):
    """The sum over the processes, of which each makes something of its own; back: the sum of the gradients."""

    @staticmethod
    def backward(ctx, whole):
        return _SumForEach.apply(whole)


def _sums(parts: list[Tensor]) -> list[Tensor]:
    """The sum over the processes of each tensor, in one message for each type of number."""
    found: dict[int, Tensor] = {}
    for kind in dict.fromkeys(p.dtype for p in parts):
        places = [i for i, p in enumerate(parts) if p.dtype == kind]
        flat = _Sum.apply(torch.cat([parts[i].flatten() for i in places]))
        for i, piece in zip(places, flat.split([parts[i].numel() for i in places]), strict=True):
            # Laid out as it was: a fused optimizer reads weight and gradient in the order of the memory.
            found[i] = torch.empty_like(parts[i]).copy_(piece.view_as(parts[i]))
    return [found[i] for i in range(len(parts))]


def _normalized(norm: _BatchNorm, x: Tensor) -> Tensor:
    """Batch norm in training mode with the mean and variance over the rows of all processes.

    Ours, a dozen lines: torch's SyncBatchNorm is for CUDA alone, and replaces modules.
    """
    dims = [d for d in range(x.ndim) if d != 1]
    shape = [1, -1, *[1] * (x.ndim - 2)]
    z = x.to(torch.promote_types(x.dtype, torch.float32))  # bf16 would lose the statistics
    count = z.new_tensor([z.numel() / z.shape[1]])
    dist.all_reduce(count)
    mean = _SumForEach.apply(z.sum(dims)) / count
    z = z - mean.view(shape)
    var = _SumForEach.apply(z.square().sum(dims)) / count
    if norm.track_running_stats and norm.running_mean is not None and norm.running_var is not None:
        with torch.no_grad():
            norm.num_batches_tracked.add_(1)  # type: ignore[union-attr, operator]
            share = 1 / float(norm.num_batches_tracked) if norm.momentum is None else norm.momentum  # type: ignore[arg-type]
            norm.running_mean.lerp_(mean.to(norm.running_mean.dtype), share)
            norm.running_var.lerp_((var * count / (count - 1)).to(norm.running_var.dtype), share)
    z = z * (var + norm.eps).rsqrt().view(shape)
    if norm.affine:
        z = z * norm.weight.view(shape) + norm.bias.view(shape)
    return z.to(x.dtype)


def _draws(model: nn.Module) -> bool:
    return any(isinstance(m, nn.modules.dropout._DropoutNd) and m.training and m.p for m in model.modules())
