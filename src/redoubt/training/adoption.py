"""Published weights in the place of a training: fetched, checked, kept as a checkpoint and record like any other."""

import math
import os
import time
from pathlib import Path
from typing import cast

from redoubt import defenses
from redoubt.config import Run
from redoubt.data.disk import work_folder
from redoubt.data.fetch import WEIGHTS, Files
from redoubt.defenses.external import External
from redoubt.errors import RedoubtError
from redoubt.records.provenance import provenance
from redoubt.training import parallel
from redoubt.training.checkpoints import Checkpoints
from redoubt.training.trainer import Trainer


def training_of(
    root: Path, run: Run, dataset, device: str, mirror: str | os.PathLike | None = None
) -> "Trainer | Adoption":
    """What makes the weights of a run: its training, or the adoption of published ones.

    Args:
        mirror: a folder that is looked at before the network for published weights.

    Raises:
        RedoubtError: several processes would adopt the same weights.
    """
    if defenses.parameters_of(run.of.defense).trained:
        return Trainer(root, run, dataset, device)
    if parallel.asked() > 1:
        raise RedoubtError("published weights are adopted by one process", key="WORLD_SIZE", allowed=1)
    return Adoption(root, run, dataset, device, mirror)


class Adoption:
    """The published weights of one run; `train` makes what `Trainer.train` makes, without an epoch.

    Args: see `training_of`.
    """

    def __init__(self, root: Path, run: Run, dataset, device: str, mirror: str | os.PathLike | None):
        self.root, self.run, self.dataset, self.device, self.mirror = root, run, dataset, device, mirror
        self.checkpoints = Checkpoints(root, run)

    def train(self, until: float = math.inf) -> bool:
        """Writes the weights, as `best` and as `last`, and their record.

        Returns:
            True: it is complete.

        Raises:
            RedoubtError: no file of that hash can be had, or it does not fit the architecture.
        """
        started = time.time()
        downloads = self.root / "data" / "downloads" / WEIGHTS
        external = cast(External, self.checkpoints.defense)
        with work_folder(downloads) as work:
            files = Files(WEIGHTS, self.mirror, downloads, work, self.checkpoints.again)
            tensors = external.convert(external.fetch(files)).state_dict()
        v = self.run.of
        record = {
            "schema": 1,
            "run": {"study": v.study, "defense": v.defense, "variant": v.variant, "seed": self.run.seed},
            "about": v.about,
            "config": v.settings(),
            "sources": v.sources,
            "data": {"name": v.data["name"], "sha256": self.dataset.sha256},
            "read": files.read,
            "selected_on": "nothing: published weights",
            "best_epoch": 0,
            "history": [],
            "seconds": round(time.time() - started, 3),
            "provenance": provenance(started, self.device),
        }
        self.checkpoints.finish({"best": tensors, "last": tensors}, record)
        return True
