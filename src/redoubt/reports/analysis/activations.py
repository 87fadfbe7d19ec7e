"""What each layer of a network puts out for given images."""

import copy

import torch
from torch import Tensor, nn

LAYERS = (nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.Linear)


def activations(model: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """Flattened outputs of every convolution, batch norm, ReLU, pooling and linear layer, in the order they run.

    The kinds of layer are those of CURE's study (authors' code: similarity.py). A layer that runs twice is kept once,
    as of its last call.

    Args:
        model: a copy of it is used, in eval mode.
        x: (N, C, H, W) in [0, 1].

    Returns:
        Name of the layer -> (N, D).
    """
    kept: dict[str, Tensor] = {}
    twin = copy.deepcopy(model).eval()
    for name, layer in twin.named_modules():
        if isinstance(layer, LAYERS):
            # A clone: the next layer may be a ReLU that writes in place.
            keep = lambda _, __, out, name=name: kept.__setitem__(name, out.detach().flatten(1).clone())
            layer.register_forward_hook(keep)
    with torch.no_grad():
        twin(x)
    return kept
