"""What `redoubt judge` found: numbers, checks and remarks, and the files that hold them."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from redoubt.judging import verdicts
from redoubt.judging.images import hashes
from redoubt.records.files import write_record, write_whole
from redoubt.records.packed_booleans import unpack
from redoubt.statistics.intervals import Interval, wilson

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from redoubt.judging.chunks import Chunk

STANDS = ""  # in `fell_to`


@dataclass(frozen=True)
class Examples:
    """What happened to each image.

    Attributes:
        label: (N,) true classes.
        sha256: (N,) of each image as uint8, empty where the images are finer than that.
        correct: name of a row: (N,) bool.
        distance: name of an attack: (N,) how far its point is from the image, in the norm of the attack.
        fell_to: (N,) the first main attack under which an image is wrong, `clean` without one; "" if it stands.
        image: (M,) which images have a point here, ascending.
        adversarial: (M, C, H, W) the point of the attack that each fell to.
        original: (M, C, H, W) the images themselves.
    """

    label: np.ndarray
    sha256: np.ndarray
    correct: dict[str, np.ndarray]
    distance: dict[str, np.ndarray]
    fell_to: np.ndarray
    image: np.ndarray
    adversarial: np.ndarray
    original: np.ndarray

    @classmethod
    def of(cls, x: Tensor, y: Tensor, made: list[dict[str, Any]], found: dict[str, list[Chunk]]) -> Examples:
        """From the rows of a record and the chunks behind them."""
        correct = {r["name"]: unpack(r["correct"], r["n"]) for r in made}
        distance = {name: np.concatenate([c.distance for c in chunks]) for name, chunks in found.items()}
        fell_to = np.full(len(y), STANDS, dtype=f"<U{max(map(len, correct))}")
        for row in made:
            if row["role"] == "main":
                fell_to[(fell_to == STANDS) & ~correct[row["name"]]] = row["name"]
        points: dict[int, np.ndarray] = {}
        for name, chunks in found.items():
            start = 0
            for chunk in chunks:
                for place, point in zip(chunk.kept + start, chunk.points, strict=True):
                    if fell_to[place] == name:
                        points[int(place)] = point
                start += len(chunk.distance)
        image = np.array(sorted(points), np.int64)
        shape = (0, *x.shape[1:])
        adversarial = np.stack([points[i] for i in image]) if len(image) else np.empty(shape, np.float32)
        pixels = (255 * x).round()
        coarse = bool(((255 * x - pixels).abs() < 1e-3).all())
        named = hashes(pixels.byte().cpu().numpy()) if coarse else [""] * len(y)
        return cls(
            y.cpu().numpy(), np.array(named), correct, distance, fell_to, image, adversarial,
            x[image].cpu().numpy(),
        )  # fmt: skip

    def csv(self) -> str:
        """One row an image: label, each attack's outcome (1 still correct) and distance, what it fell to."""
        columns: dict[str, Any] = {"image": range(len(self.label)), "label": self.label.tolist()}
        for name, bits in self.correct.items():
            columns[name] = bits.astype(int).tolist()
            if name in self.distance and name != "clean":
                columns[f"{name}_distance"] = [f"{d:.6g}" for d in self.distance[name]]
        columns["fell_to"] = self.fell_to.tolist()
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
        return text.getvalue()

    def npz(self, adversarial: bool) -> bytes:
        """The same as arrays: `label`, `sha256`, `fell_to`, `correct_NAME`, `distance_NAME`.

        Args:
            adversarial: adds `image`, the images that fell, and `x_adv`, what they fell to.
        """
        arrays: dict[str, Any] = {"label": self.label, "sha256": self.sha256, "fell_to": self.fell_to}
        arrays |= {f"correct_{name}": bits for name, bits in self.correct.items()}
        arrays |= {f"distance_{name}": d for name, d in self.distance.items() if name != "clean"}
        if adversarial:
            arrays |= {"image": self.image, "x_adv": self.adversarial}
        held = io.BytesIO()
        np.savez_compressed(held, **arrays)
        return held.getvalue()


@dataclass(frozen=True)
class Report:
    """The judgment of one model.

    Attributes:
        record: a result record like any other (docs/architecture.md), with `suite` and `remarks` in addition.
        examples: what happened to each image.
        stated: numbers to be judged.
    """

    record: dict[str, Any]
    examples: Examples = field(repr=False)
    stated: list[verdicts.Stated] = field(default_factory=list)

    @property
    def accuracy(self) -> float:
        """Share of the images that are classified correctly."""
        return self.interval("clean").value

    @property
    def worst(self) -> float:
        """Share of the images that stand against every main attack: an upper bound of the robust accuracy."""
        return self.interval("worst").value

    @property
    def checks(self) -> list[dict[str, Any]]:
        """Every validity check: name, value, limit, passed, why."""
        return self.record["checks"]

    @property
    def remarks(self) -> list[str]:
        """What was found out about the model, in sentences."""
        return self.record["remarks"]

    @property
    def failed(self) -> list[str]:
        """Names of the checks that failed: no number of this report can be believed then."""
        return [c["name"] for c in self.checks if not c["passed"]]

    @cached_property
    def stands(self) -> np.ndarray:
        """(N,) bool: which images survive every main attack."""
        main = [r["name"] for r in self.record["evaluations"] if r["role"] == "main"]
        return np.logical_and.reduce([self.examples.correct[name] for name in main])

    @cached_property
    def claims(self) -> list[dict[str, Any]]:
        """Each stated number with ours and its verdict: reproduced, lower, higher or flagged."""
        worst = int(self.stands.sum()), len(self.stands)
        return verdicts.judge(self.stated, self.record["evaluations"], worst, self.failed)

    def interval(self, name: str) -> Interval:
        """An accuracy with Wilson's 95 % interval, by the name of its row; `worst` is one."""
        bits = self.stands if name == "worst" else self.examples.correct[name]
        return wilson(int(bits.sum()), len(bits))

    def rows(self) -> list[dict[str, Any]]:
        """One entry an evaluation, `worst` last: name, attack, accuracy and what belongs to it."""
        found = []
        for r in self.record["evaluations"]:
            kept = {
                k: r[k] for k in ("name", "attack", "role", "norm", "eps", "n", "max_perturbation", "seconds")
            }
            found.append({**kept, **self._accuracy(r["name"])})
        main = ", ".join(r["name"] for r in self.record["evaluations"] if r["role"] == "main")
        last = {**found[-1], "name": "worst", "attack": f"minimum over {main}", "role": "derived"}
        last["eps"] = self.record["threat"]["eps"]
        last["max_perturbation"] = max(r["max_perturbation"] for r in found)
        last["seconds"] = round(sum(r["seconds"] for r in found), 3)
        return [*found, {**last, **self._accuracy("worst")}]

    def _accuracy(self, name: str) -> dict[str, float]:
        share = self.interval(name)
        return {"accuracy": share.value, "low": share.low, "high": share.high}

    def frame(self) -> pd.DataFrame:
        """`rows` as a frame."""
        import pandas as pd

        return pd.DataFrame(self.rows())

    def to_html(self, path: str | Path | None = None) -> str:
        """One page that needs no other file; written to `path` where one is given."""
        from redoubt.reports.judged import page

        text = page(self.record, self.rows(), self.claims, self.examples)
        if path is not None:
            write_whole(Path(path), text.encode())
        return text

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from redoubt.reports.judged import short

        return short(self.record, self.rows(), self.claims)

    def write(self, out: Path) -> Path:
        """Writes record, `examples.csv`, `examples.npz` and `report.html` into a folder; returns the record's file."""
        run = self.record["run"]
        path = out / "results" / run["study"] / run["defense"] / run["variant"] / f"seed{run['seed']}.json"
        adversarial = bool(self.record["suite"]["adversarial"])
        write_whole(out / "examples.csv", self.examples.csv().encode())
        write_whole(out / "examples.npz", self.examples.npz(adversarial))
        self.to_html(out / "report.html")
        write_record(path, {**self.record, "stated": self.claims})
        return path
