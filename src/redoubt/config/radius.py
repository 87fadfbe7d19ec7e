"""The radii of a study that means them: attacks refuse one that covers the pixel range."""

import contextlib
from contextlib import AbstractContextManager

from redoubt.config.schema import Study


def meant(study: Study) -> AbstractContextManager[None]:
    """Inside, attacks accept every radius of a study whose evaluation says `any_radius`."""
    if not study.evaluation.any_radius:
        return contextlib.nullcontext()
    from redoubt.attacks.core.checked_input import any_radius

    return any_radius()
