"""How much faster a classifier's passes are in bfloat16 here, measured before a training begins."""

import functools
import json
import time

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from redoubt import models
from redoubt.attacks.core.engine import evaluating
from redoubt.defenses.base import Defense
from redoubt.progress import console

IMAGES = 32  # at most, so that the trial of a large network is short too
TURNS = 4  # of each precision, in alternation


def gain(defense: Defense, batch_size: int, device: str) -> float:
    """Seconds of a pass of the inner attack in float32, divided by those in bfloat16.

    Measured once in a process for equal networks, so that the seeds of a variant choose alike.
    """
    shape = (defense.num_classes, defense.in_channels, defense.image_size)
    network = json.dumps(defense.architecture, sort_keys=True)
    return _measured(network, shape, min(batch_size, IMAGES), device, torch.get_num_threads())


@functools.cache
def _measured(network: str, shape: tuple[int, int, int], images: int, device: str, threads: int) -> float:
    classes, channels, side = shape
    chosen = json.loads(network)
    with torch.random.fork_rng(devices=[]):
        model = models.classifier(
            chosen["name"], num_classes=classes, in_channels=channels, image_size=side, **chosen["options"]
        )
        x = torch.rand(images, channels, side, side)
    model = model.to(device).to(memory_format=torch.channels_last)
    x = x.to(device).contiguous(memory_format=torch.channels_last)
    best = {False: float("inf"), True: float("inf")}
    with evaluating(model):
        for bf16 in (False, True) * TURNS:
            with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=bf16):
                best[bf16] = min(best[bf16], _seconds(model, x))
    found = round(best[False] / best[True], 2)
    console.print(f"redoubt: {chosen['name']} is {found} times faster in bf16 here", markup=False)
    return found


def _seconds(model: nn.Module, x: Tensor) -> float:
    began = _now(x)
    z = x.detach().requires_grad_()
    loss = F.cross_entropy(model(z), torch.zeros(len(z), dtype=torch.long, device=z.device))
    torch.autograd.grad(loss, z)
    return _now(x) - began


def _now(x: Tensor) -> float:
    """Of this process alone on a CPU, where others may work beside it; of the clock where a GPU does the work."""
    if not x.is_cuda:
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()
