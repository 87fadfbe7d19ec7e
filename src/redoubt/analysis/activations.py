"""What each layer of a network puts out for given images."""

import torch
from torch import Tensor, nn

from redoubt.attacks.engine import evaluating

LAYERS = (nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.Linear)


def activations(model: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """Flattened outputs of every convolution, batch norm, ReLU, pooling and linear layer, in the order they run.

    The kinds of layer are those of CURE's study (authors' code: similarity.py). A layer that runs twice is kept once,
    as of its last call.

    Args:
        x: (N, C, H, W) in [0, 1]; the model is put in eval mode for the pass.

    Returns:
        Name of the layer -> (N, D).
    """
    kept: dict[str, Tensor] = {}
    handles = []
    for name, layer in model.named_modules():
        if isinstance(layer, LAYERS):
            # A clone: the next layer may be a ReLU that writes in place.
            keep = lambda _, __, out, name=name: kept.__setitem__(name, out.detach().flatten(1).clone())
            handles.append(layer.register_forward_hook(keep))
    try:
        with evaluating(model), torch.no_grad():
            model(x)
    finally:
        for handle in handles:
            handle.remove()
    return kept
