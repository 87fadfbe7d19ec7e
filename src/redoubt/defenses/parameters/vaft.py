"""Hyper-parameters of vAFT, the baseline of AFD (arXiv 2401.14707)."""

from redoubt.defenses.parameters.base import InnerAttack


class VaftParams(InnerAttack):
    """Hyper-parameters of vAFT: those of the attack."""

    starts_from = "standard"
