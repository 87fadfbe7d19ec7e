"""The trained model of a run on disk, as one object: training writes it, evaluation reads it.

Weights are safetensors with the run inside; they are refused when they belong to another run, are cut short, or are
not what their record says.
"""

import functools
import hashlib
import io
import json
from collections.abc import Iterator
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
from redoubt.progress import console
from redoubt.records import trainings
from redoubt.records.files import digest, sha256, write_record, write_whole

WEIGHTS = ("best", "last")


# How a resume file begins; the hash of the rest follows, and a line's end.
HEAD = b"redoubt resume 1\n"


def _head(content: bytes | memoryview) -> bytes:
    return HEAD + hashlib.sha256(content).hexdigest().encode() + b"\n"


def unfinished(path: Path) -> dict[str, Any]:
    """What a resume file holds: `mark`, `history` and the rest of `Trainer._keep`, on the CPU.

    Raises:
        RedoubtError: it is not what was written, or cannot be read.
    """
    written = memoryview(path.read_bytes())
    head, content = written[: len(HEAD) + 65], written[len(HEAD) + 65 :]
    if head != _head(content):
        raise RedoubtError("it is not what was written", file=path)
    try:
        left = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    except Exception:  # bytes that were made to match their hash may raise anything
        left = None
    if not isinstance(left, dict):
        raise RedoubtError("it cannot be read", file=path)
    return left


def _unsound(left: dict[str, Any], epochs: int) -> str | None:
    """Why a resume file of the right mark cannot be one that a training has written; None where it may."""
    try:
        history, (score, epoch, best) = left["history"], left["best"]
        json.dumps([history, score, epoch, left["parts"]])  # what the record will hold
        seen = left["ema"] if left["ema"] is not None else left["model"]
        if not 0 < len(history) <= epochs or not 0 <= epoch < len(history) or not all(map(dict, history)):
            return "its epochs are not those of this training"
        if sum(float(part["seconds"]) for part in left["parts"]) < 0:
            return "it took less than no time"
        if {k: v.shape for k, v in best.items()}.keys() != seen.keys():
            return "its best weights are not of this model"
        if any(bool(t.isnan().any()) for t in _tensors([left["model"], seen, best, left["optimizers"]])):
            return "it holds values that are no numbers"
    except (AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        return f"a part of it is missing or of another kind ({error})"
    return None


def _tensors(held: Any) -> Iterator[torch.Tensor]:
    if isinstance(held, torch.Tensor):
        yield held
    elif isinstance(held, dict | list | tuple):
        for part in held.values() if isinstance(held, dict) else held:
            yield from _tensors(part)


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

    def mark(self, images: str, speed: dict[str, Any], gpu: str | None = None) -> str:
        """Changes when an interrupted training may not be gone on with.

        Args:
            images: hash of the data set.
            speed: `precision.Speed.summary` of this machine.
            gpu: its model, where one is used.
        """
        return digest([self.identity, self.fingerprint["code"], images, torch.__version__, speed, gpu])

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
        if not left:
            return None
        if left.get("mark") != mark:
            self._anew("it is of other settings, code, images, versions, hardware or processes")
            return None
        if why := _unsound(left, self.run.of.training["epochs"]):
            self._anew(why)
            return None
        return left

    def _left(self) -> dict[str, Any] | None:
        path = self.folder / "resume.pt"
        if not path.is_file():
            return None
        try:
            return unfinished(path)
        except RedoubtError as error:
            self._anew(error.what)
            return None

    def _anew(self, why: str) -> None:
        path = self.folder / "resume.pt"
        console.print(f"redoubt: {path} is not gone on with, the training begins anew: {why}", markup=False)

    def interrupt(self, mark: str, content: dict[str, Any]) -> None:
        """Writes all that the next epoch depends on, in one move."""
        held = io.BytesIO()
        torch.save({"mark": mark, **content}, held)
        written = held.getvalue()
        write_whole(self.folder / "resume.pt", _head(written) + written)

    def finish(self, weights: dict[str, dict[str, torch.Tensor]], record: dict[str, Any]) -> None:
        """Writes the weights, then the record that holds their hashes and the fingerprint; drops what was interrupted.

        Equal tensors give equal bytes. One key of metadata: safetensors writes several in an order that changes
        from call to call.
        """
        described = {"run": json.dumps(self._belongs(), sort_keys=True)}
        for which, tensors in weights.items():
            plain = {k: v.detach().to("cpu").contiguous() for k, v in tensors.items()}
            write_whole(self.path(which), safetensors.torch.save(plain, described), lasting=True)
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
        if not path.is_file():
            bring = f"{self.again}, or dvc pull {path}"
            raise RedoubtError("there is no such checkpoint", file=path, hint=bring)
        # DVC trusts its cache, where what it once brought lies too.
        again = f"{self.again}, or rm -r .dvc/cache {path}; make pull"
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
