"""An attack in chunks of images, each on disk before the next begins: a kill costs one, and time left is known."""

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from redoubt.records.files import write_whole
from redoubt.records.packed_booleans import pack, unpack

SUMMED = ("n", "correct_count", "seconds", "forward", "backward")


@dataclass(frozen=True)
class Chunk:
    """What one attack found on some consecutive images.

    Attributes:
        rows: of a result record, one, or two for a random model.
        distance: (n,) of each point from its image, in the norm of the attack.
        kept: (k,) positions in the chunk of the points that are kept.
        points: (k, C, H, W) float32.
    """

    rows: list[dict[str, Any]]
    distance: np.ndarray
    kept: np.ndarray
    points: np.ndarray


class Store:
    """Chunks by name, in a folder or, without one, in memory only.

    Args:
        folder: None keeps nothing on disk.
        mark: changes when a chunk would come out otherwise; what has another one is made anew.
    """

    def __init__(self, folder: Path | None, mark: str):
        self.folder, self.mark = folder, mark

    def get(self, name: str, make: Callable[[], Chunk]) -> tuple[Chunk, bool]:
        """A chunk, and whether it had to be made."""
        found = self._read(name)
        if found is not None:
            return found, False
        made = make()
        if self.folder:
            held = io.BytesIO()
            arrays: dict[str, Any] = {"distance": made.distance, "kept": made.kept, "points": made.points}
            np.savez(held, mark=np.array(self.mark), rows=np.array(json.dumps(made.rows)), **arrays)
            write_whole(self._path(name), held.getvalue())
        return made, True

    def drop(self) -> None:
        """Removes what was kept for a restart, once the result is whole."""
        if self.folder and self.folder.is_dir():
            for path in self.folder.glob("*.npz"):
                path.unlink()
            self.folder.rmdir() if not any(self.folder.iterdir()) else None

    def _path(self, name: str) -> Path:
        assert self.folder
        return self.folder / f"{name}.npz"

    def _read(self, name: str) -> Chunk | None:
        if not self.folder or not self._path(name).is_file():
            return None
        try:
            with np.load(self._path(name), allow_pickle=False) as file:
                if str(file["mark"]) != self.mark:
                    return None
                arrays = [file[k] for k in ("distance", "kept", "points")]
                return Chunk(json.loads(str(file["rows"])), *arrays)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):  # cut short or changed
            return None


def joined(chunks: list[Chunk]) -> list[dict[str, Any]]:
    """The rows of all images from those of consecutive chunks."""
    return [_joined([c.rows[i] for c in chunks]) for i in range(len(chunks[0].rows))]


def _joined(rows: list[dict[str, Any]]) -> dict[str, Any]:
    if len(rows) == 1:
        return rows[0]
    bits = np.concatenate([unpack(r["correct"], r["n"]) for r in rows])
    sums = {k: round(sum(r[k] for r in rows), 3) for k in SUMMED}
    largest = max(r["max_perturbation"] for r in rows)
    return {**rows[0], **sums, "correct": pack(bits), "max_perturbation": largest, "info": _info(rows)}


def _info(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What holds for all images: equal settings, the stages of an ensemble, the draws of a random model."""
    infos, sizes = [r["info"] for r in rows], [r["n"] for r in rows]
    shared = {k: v for k, v in infos[0].items() if all(i.get(k) == v for i in infos)}
    if all("easier_half" in i for i in infos):
        bits = [unpack(i["easier_half"], n) for i, n in zip(infos, sizes, strict=True)]
        shared["easier_half"] = pack(np.concatenate(bits))  # of each chunk
    if all("random" in i for i in infos):
        weighted = lambda key: (
            sum(n * i["random"][key] for i, n in zip(infos, sizes, strict=True)) / sum(sizes)
        )
        means = {key: weighted(key) for key in infos[0]["random"] if key != "draws"}
        shared["random"] = {"draws": infos[0]["random"]["draws"], **means}
    if all("stages" in i for i in infos):
        shared["stages"] = _stages([i["stages"] for i in infos], sizes)
    return shared


def _stages(logs: list[list[dict[str, Any]]], sizes: list[int]) -> list[dict[str, Any]]:
    """Stage by stage; a stage is left out of a chunk of which nothing stood any more."""
    names = list(dict.fromkeys(stage["name"] for log in logs for stage in log))
    found = []
    for name in names:
        own = [next((s for s in log if s["name"] == name), None) for log in logs]
        last = [
            s or {**log[-1], "forward": 0, "backward": 0, "seconds": 0.0}
            for s, log in zip(own, logs, strict=True)
        ]
        bits = np.concatenate([unpack(s["bits"], n) for s, n in zip(last, sizes, strict=True)])
        sums = {k: round(sum(s[k] for s in last), 3) for k in ("forward", "backward", "seconds")}
        found.append({"name": name, "standing": int(bits.sum()), "bits": pack(bits), **sums})
    return found
