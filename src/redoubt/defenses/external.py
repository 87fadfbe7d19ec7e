"""Weights that others published, fetched and checked, not trained: what the attacks say of a number from elsewhere."""

from pathlib import Path

from redoubt import models
from redoubt.data.fetch import WEIGHTS, Files
from redoubt.defenses.base import Defense
from redoubt.defenses.parameters.external import ExternalParams
from redoubt.models import weights
from redoubt.models.base import Classifier


class External(Defense[Classifier]):
    """The study's architecture with published weights; its deployed model is all there is."""

    Params = ExternalParams
    params: ExternalParams
    paper = "published"

    def fetch(self, files: Files) -> Path:
        """The file, from the mirror or the network, once its bytes have the stated hash."""
        return files.get(self.params.file, [self.params.url], self.params.sha256, WEIGHTS)

    def convert(self, path: Path) -> Classifier:
        """The classifier with the tensors of the file under our names.

        Raises:
            RedoubtError: the file is no state dict, or one that does not fit the architecture.
        """
        model = self.classifier()
        theirs = weights.read(path, self.params.sha256)
        ours = {self._renamed(name): tensor for name, tensor in theirs.items()}
        constants = {
            name: tensor for name, tensor in model.state_dict().items() if name.startswith("normalize.")
        }
        weights.load_into(model, {**constants, **ours}, path)
        return model

    def _renamed(self, name: str) -> str:
        known = models.published_names(self.architecture["name"])
        theirs = next((start for start in known if name.startswith(start)), "")
        return known.get(theirs, "") + name.removeprefix(theirs)
