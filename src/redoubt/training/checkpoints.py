"""The trained model of a run on disk, as one object: training writes it, evaluation reads it.

Weights are safetensors with the run inside; they are refused when they belong to another run, are cut short, or are
not what their record says.
"""

import functools
import io
import json
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import nn

from redoubt import data, defenses
from redoubt.config import Run, Variant
from redoubt.config.fingerprints import training_modules
from redoubt.defenses.base import Defense
from redoubt.errors import RedoubtError
from redoubt.records import trainings
from redoubt.records.files import digest, sha256, write_record, write_whole

WEIGHTS = ("best", "last")


def defense_of(variant: Variant) -> Defense:
    """The defense object of a variant, ready to build its model."""
    info = data.describe(variant.data["name"])
    kind = defenses.get(variant.defense)
    shape = (info.num_classes, info.in_channels, variant.data["image_size"] or info.image_size)
    params = kind.Params(**variant.params)
    return kind(shape=shape, architecture=variant.architecture, threat=variant.threat, params=params)


class Checkpoints:
    """What there is of one run's trained model: weights, identity, mark, fingerprint, record.

    Args:
        root: the folder that holds `checkpoints`.
        run: whose.

    Attributes:
        folder: holds `best.safetensors`, `last.safetensors`, `record.json`, and `resume.pt` while it is trained.
        again: the command that makes them.
    """

    def __init__(self, root: Path, run: Run):
        self.run = run
        self.folder = root / "checkpoints" / run.path
        self.again = f"redoubt train {run.of.path}"

    @functools.cached_property
    def defense(self) -> Defense:
        """The defense that builds and deploys the model."""
        return defense_of(self.run.of)

    @functools.cached_property
    def identity(self) -> str:
        """What weights say they are: the run's settings and seed."""
        return digest({"settings": self.run.of.settings(), "seed": self.run.seed})

    @functools.cached_property
    def fingerprint(self) -> dict[str, Any]:
        """Identity, and the code that decides the weights: `config`, `code`, `modules`."""
        modules = training_modules(self.run.of.defense, self.run.of.architecture["name"])
        return {"config": self.identity, "code": digest(modules), "modules": modules}

    def mark(self, images: str, speed: dict[str, Any]) -> str:
        """Changes when an interrupted training may not be gone on with.

        Args:
            images: hash of the data set.
            speed: `precision.Speed.summary` of this machine.
        """
        return digest([self.identity, self.fingerprint["code"], images, torch.__version__, speed])

    def path(self, which: str) -> Path:
        """The file of the `best` or `last` weights."""
        return self.folder / f"{which}.safetensors"

    @property
    def record_file(self) -> Path:
        """The training record."""
        return self.folder / "record.json"

    # Written by training.

    def begun(self) -> dict[str, Any] | None:
        """Mark and speed (`precision.Speed.summary`) of an interrupted training, whatever it belongs to, or None."""
        left = self._left()
        return left and {"mark": left.get("mark"), "speed": left.get("speed")}

    def interrupted(self, mark: str) -> dict[str, Any] | None:
        """What an interrupted training left; None where it left nothing, or belongs to other settings or code."""
        left = self._left()
        return left if left and left.get("mark") == mark else None

    def _left(self) -> dict[str, Any] | None:
        path = self.folder / "resume.pt"
        if not path.is_file():
            return None
        try:
            return torch.load(path, weights_only=True)
        except Exception:  # a file cut short by a kill raises whatever its broken bytes look like
            return None

    def interrupt(self, mark: str, content: dict[str, Any]) -> None:
        """Writes all that the next epoch depends on, in one move."""
        held = io.BytesIO()
        torch.save({"mark": mark, **content}, held)
        write_whole(self.folder / "resume.pt", held.getvalue())

    def finish(self, weights: dict[str, dict[str, torch.Tensor]], record: dict[str, Any]) -> None:
        """Writes the weights, then the record that holds their hashes and the fingerprint; drops what was interrupted.

        Equal tensors give equal bytes. One key of metadata: safetensors writes several in an order that changes
        from call to call.
        """
        described = {"run": json.dumps(self._belongs(), sort_keys=True)}
        for which, tensors in weights.items():
            plain = {k: v.detach().to("cpu").contiguous() for k, v in tensors.items()}
            write_whole(self.path(which), safetensors.torch.save(plain, described))
        files = {self.path(which).name: sha256(self.path(which)) for which in weights}
        write_record(self.record_file, {**record, "fingerprint": self.fingerprint, "files": files})
        (self.folder / "resume.pt").unlink(missing_ok=True)

    def _belongs(self) -> dict[str, str]:
        return {"path": self.run.path, "identity": self.identity}

    # Read by whoever evaluates.

    def record(self) -> dict[str, Any]:
        """The training record; RedoubtError, with the command that makes it, where it is missing or was changed."""
        return trainings.read(self.record_file, self.again)

    def load(self, which: str = "best", device: str = "cpu") -> nn.Module:
        """The trained model, in eval mode.

        Raises:
            RedoubtError: the weights are missing, cut short, of another run, or not what their record says.
        """
        path = self.path(which)
        again = f"{self.again}, or dvc pull {path}"
        if not path.is_file():
            raise RedoubtError("there is no such checkpoint", file=path, hint=again)
        try:
            with safetensors.safe_open(path, "pt", device=device) as file:
                found = json.loads((file.metadata() or {}).get("run", "{}"))
                tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118 (not a mapping)
        except (safetensors.SafetensorError, OSError) as error:
            raise RedoubtError(f"this checkpoint is damaged: {error}", file=path, hint=again) from None
        if found != self._belongs():
            raise RedoubtError(
                "this checkpoint belongs to another run or to other settings",
                file=path, key="run", value=found.get("path"), allowed=self.run.path, hint=again,
            )  # fmt: skip
        record, hashed = trainings.read(self.record_file, again), sha256(path)
        if record["files"].get(path.name) != hashed:
            raise RedoubtError(
                "this checkpoint is not the one that its record describes",
                file=path, value=hashed, allowed=record["files"].get(path.name), hint=again,
            )  # fmt: skip
        model = self.defense.build().to(device)
        model.load_state_dict(tensors)
        return model.eval()

    def deployed(self, device: str = "cpu") -> nn.Module:
        """What an attacker of the selected weights faces."""
        return self.defense.deployed(self.load("best", device))
