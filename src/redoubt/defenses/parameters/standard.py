"""The undefended control has no hyper-parameters."""

from redoubt.defenses.parameters.base import Parameters


class StandardParams(Parameters):
    """None."""
