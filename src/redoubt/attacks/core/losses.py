"""What attacks maximise: one value an example, from logits; larger is worse for the defender.

Untargeted losses grow as the true class loses, targeted ones as the target class wins.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """(N,) cross-entropy of logits (N, K) at labels y (N,)."""
    return F.cross_entropy(logits, y, reduction="none")


def margin(logits: Tensor, y: Tensor) -> Tensor:
    """(N,) best wrong logit minus the true one: above 0 exactly where the example is misclassified.

    The wrong classes are selected by masking with -inf, never by multiplying with a one-hot vector: a product
    gives the true class the value 0 and is wrong as soon as all logits are negative.
    """
    true = logits.gather(1, y[:, None])[:, 0]
    return logits.scatter(1, y[:, None], -torch.inf).amax(1) - true


def dlr(logits: Tensor, y: Tensor) -> Tensor:
    """(N,) difference of logits ratio (Croce and Hein 2020, eq. 6): margin / (largest - third largest logit).

    Two classes have no third logit and their ratio is always +1 or -1, without a gradient. There the plain margin
    is returned: the same order, but it grows with the logits' scale.
    """
    if logits.shape[1] < 3:
        return margin(logits, y)
    top = logits.topk(3).values
    return margin(logits, y) / (top[:, 0] - top[:, 2] + 1e-12)


def kl(logits: Tensor, reference: Tensor) -> Tensor:
    """(N,) KL(reference || softmax(logits)) in nats, as TRADES maximises it (Zhang et al. 2019, eq. 5).

    Args:
        reference: (N, K) probabilities, usually those of the clean image.
    """
    return (torch.xlogy(reference, reference) - reference * logits.log_softmax(1)).sum(1)


def targeted_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """(N,) log-probability of the target class."""
    return -F.cross_entropy(logits, target, reduction="none")


def targeted_margin(logits: Tensor, target: Tensor) -> Tensor:
    """(N,) target logit minus the best other one: above 0 exactly where the target is predicted."""
    return -margin(logits, target)


def targeted_dlr(logits: Tensor, y: Tensor, target: Tensor) -> Tensor:
    """(N,) targeted DLR (Croce and Hein 2020, eq. 7): (z_t - z_y) / (z_1 - (z_3 + z_4) / 2), sorted logits z_i.

    With three classes the denominator is z_1 - z_3; with two there is none, and z_t - z_y is returned.
    """
    pair = logits.gather(1, torch.stack([target, y], 1))
    gap = pair[:, 0] - pair[:, 1]
    classes = logits.shape[1]
    if classes < 3:
        return gap
    top = logits.topk(min(4, classes)).values
    return gap / (top[:, 0] - top[:, 2:].mean(1) + 1e-12)


UNTARGETED = {"ce": cross_entropy, "margin": margin, "dlr": dlr}
TARGETED = {"ce": targeted_cross_entropy, "margin": targeted_margin}
