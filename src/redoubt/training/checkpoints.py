"""Weights on disk: safetensors with the run inside, refused when they belong to another run or are cut short."""

import json
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import nn

from redoubt import data, defenses
from redoubt.config import Run, Variant
from redoubt.errors import RedoubtError
from redoubt.records.files import digest, read_record, sha256, write_whole


def folder(root: Path, run: Run) -> Path:
    """Where the files of a run lie."""
    return root / "checkpoints" / run.path


def defense_of(variant: Variant):
    """The defense object of a variant, ready to build its model."""
    info = data.describe(variant.data["name"])
    kind = defenses.get(variant.defense)
    shape = (info.num_classes, info.in_channels, variant.data["image_size"] or info.image_size)
    params = kind.Params(**variant.params)
    return kind(shape=shape, architecture=variant.architecture, threat=variant.threat, params=params)


def identity(run: Run) -> str:
    """What a checkpoint says it is: the run's settings and seed."""
    return digest({"settings": run.of.settings(), "seed": run.seed})


def belongs(run: Run) -> dict[str, str]:
    """What a checkpoint says of itself."""
    return {"path": run.path, "identity": identity(run)}


def save(path: Path, tensors: dict[str, torch.Tensor], run: Run) -> None:
    """Writes weights; equal tensors give equal bytes.

    One key of metadata: safetensors writes several in an order that changes from call to call.
    """
    tensors = {k: v.detach().to("cpu").contiguous() for k, v in tensors.items()}
    write_whole(path, safetensors.torch.save(tensors, {"run": describe(belongs(run))}))


def load(root: Path, run: Run, which: str = "best", device: str = "cpu") -> tuple[nn.Module, str]:
    """The trained model of a run, in eval mode, and the hash of its file.

    Raises:
        RedoubtError: the checkpoint is missing, cut short, of another run, or not what its record says.
    """
    path = folder(root, run) / f"{which}.safetensors"
    again = f"redoubt train {run.of.path}, or dvc pull {path}"
    if not path.is_file():
        raise RedoubtError("there is no such checkpoint", file=path, hint=again)
    try:
        with safetensors.safe_open(path, "pt", device=device) as file:
            found = json.loads((file.metadata() or {}).get("run", "{}"))
            tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118 (not a mapping)
    except (safetensors.SafetensorError, OSError) as error:
        raise RedoubtError(f"this checkpoint is damaged: {error}", file=path, hint=again) from None
    if found != belongs(run):
        raise RedoubtError(
            "this checkpoint belongs to another run or to other settings",
            file=path, key="run", value=found.get("path"), allowed=run.path, hint=again,
        )  # fmt: skip
    record, hashed = read_record(path.with_name("record.json"), again), sha256(path)
    if record["files"].get(path.name) != hashed:
        raise RedoubtError(
            "this checkpoint is not the one that its record describes",
            file=path, value=hashed, allowed=record["files"].get(path.name), hint=again,
        )  # fmt: skip
    model = defense_of(run.of).build().to(device)
    model.load_state_dict(tensors)
    return model.eval(), hashed


def resumable(path: Path, mark: str) -> dict | None:
    """What an interrupted training left, or None where it left nothing or belongs to other settings or code."""
    if not path.is_file():
        return None
    try:
        left = torch.load(path, weights_only=True)
    except Exception:  # a file cut short by a kill raises whatever its broken bytes look like
        return None
    return left if left.get("mark") == mark else None


def describe(content: dict) -> str:
    """One line of JSON, for logs."""
    return json.dumps(content, sort_keys=True)
