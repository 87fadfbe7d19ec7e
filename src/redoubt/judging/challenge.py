"""`redoubt challenge STUDY/DEFENSE/VARIANT`: adversarial examples, or a whole attack, of someone who doubts a number.

What is sent is checked (shape, pixels, ball, which test image), predicted anew by the recorded weights, and written
beside the record as an evaluation of its own with who, when and the file's hash. From then on the worst case, the
verdicts and the pages count it.
"""

import io
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from redoubt import data
from redoubt.attacks.core.engine import AttackResult, distance, predict
from redoubt.attacks.core.eot import DRAWS
from redoubt.config import AttackSpec, Run, Study, find_run
from redoubt.config.images import images_of
from redoubt.errors import RedoubtError
from redoubt.evaluation import checks, rows
from redoubt.evaluation.evaluator import Evaluator
from redoubt.evaluation.settings import path_of
from redoubt.judging import loading
from redoubt.judging.images import arrays, hashes
from redoubt.records import results
from redoubt.records.challenges import ATTACK
from redoubt.records.files import sha256, write_record, write_whole
from redoubt.records.provenance import provenance

NAMED = 10  # images that a refusal names


@dataclass(frozen=True)
class Sent:
    """What someone sent.

    Attributes:
        by: who, in their words.
        examples: an `.npz` of `x_adv` and of `sha256` or `x`, which say of what image each is.
        attack: `file.py:function`, called as an attack of the package.
    """

    by: str
    examples: Path | None = None
    attack: str | None = None

    def __post_init__(self):
        if not self.by.strip():
            raise RedoubtError("a challenge says who it is by", key="--by", value=self.by)
        if (self.examples is None) == (self.attack is None):
            raise RedoubtError(
                "a challenge is examples or an attack, one of them",
                allowed="--examples FILE.npz or --attack FILE.py:NAME",
            )

    @property
    def file(self) -> Path:
        """The file that was sent."""
        return self.examples if self.examples else loading.named(str(self.attack), "an attack")[0]


@dataclass(frozen=True)
class Outcome:
    """What a challenge did to one record.

    Attributes:
        file: the challenge's own record.
        images: how many of the test images it changes.
        broken: of those that stood against every main attack before, how many it breaks.
        before, after: images that stand, of `n`.
    """

    run: str
    file: Path
    images: int
    broken: int
    before: int
    after: int
    n: int

    def text(self) -> str:
        """One line for the terminal."""
        return (
            f"{self.run}: {self.images} images challenged; worst case {100 * self.before / self.n:.1f} -> "
            f"{100 * self.after / self.n:.1f} % of {self.n}, {self.broken} newly broken; {self.file.as_posix()}"
        )


def challenge(root: Path, run: str, sent: Sent, seeds: list[int], device: str) -> list[Outcome]:
    """Checks, predicts anew and records, for each seed; nothing is written where anything of one is refused.

    Raises:
        RedoubtError: no such run or no record of it, weights or images that are not the recorded ones, examples that
            do not belong to its images or leave the ball (the images are named), an attack that raises.
    """
    study, variant = find_run(root, run)
    dataset = images_of(root, study)
    made = [_Challenged(root, study, variant.run(seed), dataset, device, sent) for seed in seeds]
    return [challenged.write() for challenged in made]


class _Challenged:
    """One record, and what was sent against it."""

    def __init__(self, root: Path, study: Study, run: Run, dataset: data.Dataset, device: str, sent: Sent):
        self.started, self.sent, self.run, self.device = time.time(), sent, run, device
        self.path = path_of(root, run)
        self.again = f"redoubt attack {run.of.path}"
        self.record = results.read(self.path)
        self.evaluator = Evaluator(root, study, run, dataset, device)
        self.x, self.y = self.evaluator.x, self.evaluator.y
        self._check_record()
        self.images, self.points = self._examples() if sent.examples else self._attacked()
        self._check_ball()
        self.hashed = sha256(sent.file)
        self.rows = self._predicted()

    def _check_record(self) -> None:
        """The record has to be of the weights and images that are here."""
        used, here = self.record["data"], self.evaluator
        if (used["sha256"], used["indices_sha256"], used["n"]) != (
            here.dataset.sha256, here.split.sha256, len(self.x),
        ):  # fmt: skip
            raise RedoubtError(
                "the record is of other images than are prepared here", file=self.path, hint=self.again
            )
        trained = here.checkpoints.record()["files"]["best.safetensors"]
        if trained != self.record["checkpoints"]["best"]["sha256"]:
            raise RedoubtError(
                "the record is of other weights than lie here", file=self.path, hint=self.again
            )

    @property
    def _threat(self) -> tuple[str, float]:
        return self.record["threat"]["norm"], self.record["threat"]["eps"]

    def _examples(self) -> tuple[Tensor, Tensor]:
        """(M,) test images and (M, C, H, W) points, from the file that was sent."""
        path = self.sent.file
        held = arrays(path, ("x_adv",))
        points = _pixels(held["x_adv"], path)
        if points.shape[1:] != self.x.shape[1:] or not len(points):
            raise RedoubtError(
                "these examples do not have the shape of the test images", file=path, key="x_adv",
                value=tuple(points.shape), allowed=f"(M, {', '.join(map(str, self.x.shape[1:]))})",
            )  # fmt: skip
        named = _named(held, len(points), path)
        own: dict[str, list[int]] = {}
        for image, name in enumerate(hashes((255 * self.x).round().byte().cpu().numpy())):
            own.setdefault(name, []).append(image)
        if unknown := [i for i, name in enumerate(named) if name not in own]:
            raise RedoubtError(
                f"{len(unknown)} examples are of no test image of this record", file=path,
                value=f"examples {_list(unknown)}", hint="the sha256 of the bytes of the uint8 image, (C, H, W)",
            )  # fmt: skip
        told = held.get("image")
        images = [
            int(told[i]) if told is not None and int(told[i]) in own[name] else own[name][0]
            for i, name in enumerate(named)
        ]
        if twice := sorted({i for i in images if images.count(i) > 1}):
            raise RedoubtError(
                "an image is challenged by one example", file=path, value=f"images {_list(twice)}"
            )
        return torch.tensor(images, device=self.x.device), points.to(self.x.device)

    def _attacked(self) -> tuple[Tensor, Tensor]:
        """The same from an attack on a fresh copy of the recorded weights."""
        function = loading.function(str(self.sent.attack), "an attack")
        (norm, eps), e = self._threat, self.evaluator.study.evaluation
        model = self.evaluator.checkpoints.deployed(self.device)
        try:
            found = function(
                model,
                self.x.clone(),
                self.y.clone(),
                eps=eps,
                norm=norm,
                seed=e.seed,
                batch_size=e.batch_size,
            )
        except Exception as error:
            text = (str(error).splitlines() or [""])[0]
            raise RedoubtError(
                f"the attack raised {type(error).__name__}: {text}", file=self.sent.file
            ) from error
        points = found.x_adv if isinstance(found, AttackResult) else found
        if not isinstance(points, Tensor) or points.shape != self.x.shape:
            told = tuple(points.shape) if isinstance(points, Tensor) else type(points).__name__
            raise RedoubtError(
                "an attack returns its points", file=self.sent.file, value=told,
                allowed=f"an AttackResult, or a tensor {tuple(self.x.shape)}",
            )  # fmt: skip
        points = points.detach().to(self.x.device, torch.float32)
        moved = (points != self.x).flatten(1).any(1).nonzero()[:, 0]
        return moved, points[moved]

    def _check_ball(self) -> None:
        norm, eps = self._threat
        far = distance(self.points, self.x[self.images], norm)
        flat = self.points.flatten(1)
        inside = (flat.amin(1) >= 0) & (flat.amax(1) <= 1) & (far <= eps + rows.TOLERANCE)  # False for NaN
        if (~inside).any():
            bad = (~inside).nonzero()[:, 0].tolist()
            shown = ", ".join(f"{self.images[i].item()} ({far[i]:.6g})" for i in bad[:NAMED])
            more = f" and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
            raise RedoubtError(
                f"{len(bad)} of {len(far)} examples leave what they may change: nothing was recorded",
                file=self.sent.file, value=f"images {shown}{more}, each with its distance",
                allowed=f"pixels 0 to 1, {norm} distance up to {eps:g}",
            )  # fmt: skip

    def _predicted(self) -> list[dict[str, Any]]:
        """Rows as of any attack: an image that was not challenged stays as it is."""
        norm, eps = self._threat
        began = time.perf_counter()
        e, deployed = (
            self.evaluator.study.evaluation,
            self.evaluator.defense.deployed(self.evaluator.model("best")),
        )
        x_adv = self.x.clone()
        x_adv[self.images] = self.points
        correct = predict(deployed, x_adv, e.batch_size).argmax(1) == self.y
        told = {
            "by": self.sent.by,
            "sha256": self.hashed,
            "images": len(self.points),
            "file": self._name("json"),
        }
        spec = AttackSpec(attack=ATTACK, norm=norm, eps=eps, draws=DRAWS)
        result = AttackResult(x_adv, correct, forward=len(x_adv), info={"challenge": told})
        how: dict[str, Any] = {
            "deployed": deployed,
            "seed": e.seed,
            "batch_size": e.batch_size,
            "began": began,
        }
        return rows.judged(f"{ATTACK}_{self.hashed[:8]}", spec, result, self.x, self.y, **how)

    def _name(self, ending: str) -> str:
        return f"{self.path.stem}-{self.hashed[:12]}.{ending}"

    def write(self) -> Outcome:
        """The challenge beside the record: its own record, the file that was sent, and an attack's points."""
        mine = self.rows[0]["name"]
        others = [
            r for r in self.record["evaluations"] if r["name"] not in {row["name"] for row in self.rows}
        ]
        norm, eps = self._threat
        before = checks.standing([r for r in rows.within(others, norm, eps) if r["checkpoint"] == "best"])
        after = before & checks.correct(self.rows[0])[: len(before)]
        share = float((before & ~after).mean())
        line = checks.check(
            "challenge_finds_little", share, checks.CONVERGED, share <= checks.CONVERGED,
            f"share of images that {mine}, by {self.sent.by}, breaks and no other main attack does",
        )  # fmt: skip
        folder = self.path.parent / "challenges"
        names = {self._name(self.sent.file.suffix[1:]): self.sent.file.read_bytes()}
        if self.sent.attack:
            names[self._name("npz")] = self._npz()
        for name, content in names.items():
            write_whole(folder / name, content)
        write_record(folder / self._name("json"), {
            "schema": 1,
            "run": self.record["run"],
            "challenge": {
                "by": self.sent.by, "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.started)),
                "kind": "examples" if self.sent.examples else "attack", "file": self.sent.file.name,
                "function": self.sent.attack.rpartition(":")[2] if self.sent.attack else None,
                "sha256": self.hashed, "images": len(self.points),
            },
            "files": {name: sha256(folder / name) for name in names},
            "weights": self.record["checkpoints"]["best"]["sha256"],
            "data": {k: self.record["data"][k] for k in ("sha256", "indices_sha256", "n")},
            "threat": self.record["threat"],
            "evaluations": self.rows,
            "checks": [line],
            "provenance": provenance(self.started, self.device),
        })  # fmt: skip
        counts = int((before & ~after).sum()), int(before.sum()), int(after.sum()), len(before)
        return Outcome(self.run.path, folder / self._name("json"), len(self.points), *counts)

    def _npz(self) -> bytes:
        held = io.BytesIO()
        named = hashes((255 * self.x[self.images]).round().byte().cpu().numpy())
        where = self.images.cpu().numpy()
        np.savez_compressed(held, x_adv=self.points.cpu().numpy(), image=where, sha256=np.array(named))
        return held.getvalue()


def _pixels(values: np.ndarray, path: Path) -> Tensor:
    if values.dtype == np.uint8:
        return data.to_float(torch.from_numpy(values))
    if values.dtype.kind != "f":
        raise RedoubtError(
            "adversarial examples are uint8, or floating point in [0, 1]",
            file=path,
            key="x_adv",
            value=str(values.dtype),
        )
    return torch.from_numpy(np.ascontiguousarray(values)).float()


def _named(held: dict[str, np.ndarray], n: int, path: Path) -> list[str]:
    """The hash of the image that each example is of."""
    image = held.get("image")
    if image is not None and (image.shape != (n,) or image.dtype.kind not in "iu"):
        raise RedoubtError(
            "`image` names one test image an example, by its place",
            file=path,
            key="image",
            value=str(image.shape),
        )
    if "sha256" in held:
        named = held["sha256"]
        if image is not None and named.shape != (n,) and len(named) > image.max(initial=0):
            named = named[image]  # of all images, as `redoubt judge` writes them
    elif "x" in held and held["x"].shape[:1] == (n,):
        named = np.array(hashes((255 * _pixels(held["x"], path)).round().byte().numpy()))
    else:
        raise RedoubtError(
            "nothing says which test image each example is of", file=path, value=sorted(held),
            allowed="sha256, of the bytes of each uint8 image; or x, the images themselves",
        )  # fmt: skip
    if named.shape != (n,):
        raise RedoubtError(
            "one name an example", file=path, key="sha256", value=str(named.shape), allowed=f"({n},)"
        )
    return [str(name) for name in named]


def _list(numbers: list[int]) -> str:
    more = f" and {len(numbers) - NAMED} more" if len(numbers) > NAMED else ""
    return ", ".join(map(str, numbers[:NAMED])) + more
