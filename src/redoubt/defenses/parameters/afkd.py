"""Hyper-parameters of AFKD, which no public text or code that we could open describes."""

from redoubt.defenses.parameters.vaft import VaftParams
from redoubt.params import hyper


class AfkdParams(VaftParams):
    """Hyper-parameters of AFKD."""

    lam: float = hyper(1.0, "ours: as heavy as the cross-entropy; AFKD's weight has no public source", ge=0)
    temperature: float = hyper(1.0, "ours: plain probabilities; AFKD's has no public source", gt=0)
