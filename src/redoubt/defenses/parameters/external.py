"""Which published weights are fetched; a study gives them as `weights` of the variant."""

from typing import ClassVar

from redoubt.defenses.parameters.base import Parameters
from redoubt.params import hyper


class ExternalParams(Parameters):
    """Where the weights are from."""

    trained: ClassVar[bool] = False

    url: str = hyper(..., "the study: where the file's makers publish it")
    sha256: str = hyper(..., "the study: of the file's bytes")
    file: str = hyper(..., "the study: its name in the folder `weights` of a mirror")
