"""One model against a suite: `redoubt.judge(model, x, y, norm="linf", eps=8 / 255)`."""

import dataclasses
import hashlib
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from redoubt import attacks
from redoubt.attacks.core.engine import distance, evaluating
from redoubt.attacks.core.eot import DRAWS
from redoubt.config import AttackSpec
from redoubt.config.fingerprints import code_modules
from redoubt.errors import RedoubtError, nearest
from redoubt.evaluation import checks, probes, rows
from redoubt.judging import images, suites, verdicts
from redoubt.judging.chunks import Chunk, Store, joined
from redoubt.judging.loading import Source
from redoubt.judging.report import Examples, Report
from redoubt.judging.subject import Subject, look, modes_kept
from redoubt.progress import Bar, bar
from redoubt.records.files import digest
from redoubt.records.provenance import provenance
from redoubt.seeds import derive

STUDY, DEFENSE = "judged", "external"  # where the record of a model lies that no study trained
SHOWN = 8  # points that a chunk keeps for the page where not all are asked for
PROBED = 512  # the first images, of which the probes take those that they need


def judge(
    model: Any, x: Any, y: Any, *, norm: str = "linf", eps: float, suite: str = "standard",
    claims: Iterable[str] = (), images: int | None = None, batch_size: int = 250, seed: int = 0,
    out: str | Path | None = None, adversarial: bool = False, name: str = "model",
) -> Report:  # fmt: skip
    """Attacks a model, checks whether the numbers can be believed, and says what was found.

    Args:
        model: from [0, 1] pixels (N, C, H, W) to logits (N, K): a module on any device, or a function. Its weights and
            modes are as before when this returns.
        x: (N, C, H, W), (N, H, W) or (N, H, W, C), tensor or array; uint8, or floating point in [0, 1].
        y: (N,) true labels.
        norm, eps: the ball, linf or l2, in pixels of [0, 1].
        suite: `screen` (APGD-CE and APGD-T), `standard` (AutoAttack), `rand` (what a random model gets whatever is
            asked), `full` (standard, other losses, adaptive attacks that apply, black-box alone).
        claims: numbers to be judged, in percent: `["56.3:autoattack"]`.
        images: only the first ones.
        batch_size: images that are attacked together and share random draws; a restart repeats at most so many.
        seed: of every draw.
        out: folder for the record, the page, `examples.csv` and `examples.npz`; an interrupted call with the same one
            is gone on with.
        adversarial: `examples.npz` also holds the adversarial image of each example that fell.
        name: of the model, in the record and on the page.

    Raises:
        RedoubtError: whatever is wrong with model, images or settings, in one sentence.
    """
    given = _given(x, y, images)
    source = model if isinstance(model, Source) else Source(model, name)
    settings = Settings(norm, _radius(eps), suites.known(suite), batch_size, seed, adversarial)
    return run(source, given, settings, verdicts.read(claims), None if out is None else Path(out))


def _given(x: Any, y: Any, first: int | None) -> images.Images:
    return images.of_arrays(x, y, first)


def _radius(eps: Any) -> float:
    if isinstance(eps, bool) or not isinstance(eps, int | float) or not eps > 0:
        raise RedoubtError("the radius is a number above 0", key="eps", value=eps, allowed="such as 8/255")
    return float(eps)


@dataclass(frozen=True)
class Settings:
    """How a model is attacked; see `judge`."""

    norm: str
    eps: float
    suite: str
    batch_size: int = 250
    seed: int = 0
    adversarial: bool = False

    def __post_init__(self):
        if self.norm not in ("linf", "l2"):
            raise RedoubtError(
                "unknown norm", key="norm", value=self.norm, allowed=("linf", "l2"),
                nearest=nearest(self.norm, ("linf", "l2")),
            )  # fmt: skip
        if self.batch_size < 1:
            raise RedoubtError("a batch has one image or more", key="batch_size", value=self.batch_size)


def run(
    source: Source, given: images.Images, settings: Settings, stated: list[verdicts.Stated], out: Path | None
) -> Report:
    """`judge`, from what its arguments were made into."""
    started = time.time()
    device = _device(source.model)
    x, y = given.x.to(device), given.y.to(device)
    with modes_kept(source.model):
        subject = look(source.model, x, y)
        with evaluating(subject.model):
            judged = _Judged(source, given, settings, subject, x, y, out)
            verdicts.check_names(stated, {n: s.attack for n, s in judged.specs.items()})
            report = judged.report(stated, started)
    if out:
        report.write(out)
        judged.store.drop()
    return report


def _device(model: Any) -> torch.device:
    tensors = [*model.parameters(), *model.buffers()] if isinstance(model, nn.Module) else []
    return tensors[0].device if tensors else torch.device("cpu")


class _Judged:
    """One model, its images and its suite, attacked chunk by chunk."""

    def __init__(
        self, source: Source, given: images.Images, settings: Settings, subject: Subject, x: Tensor, y: Tensor,
        out: Path | None,
    ):  # fmt: skip
        self.source, self.given, self.settings, self.subject, self.x, self.y = (
            source,
            given,
            settings,
            subject,
            x,
            y,
        )
        self.attacked = suites.attacks_of(settings.suite, subject, settings.norm, settings.eps)
        clean = AttackSpec(attack="none", eps=0.0, norm=settings.norm, draws=DRAWS)
        self.specs = {"clean": clean, **self.attacked}
        used = {attacks.module_of(s.attack) for s in self.specs.values()}
        self.modules = code_modules("redoubt.judging.judgment", *sorted(used))
        self.weights = _weights(source.model)
        self.store = Store(out / "partial" if out else None, self._mark())

    def _mark(self) -> str:
        """Changes when a chunk would come out otherwise."""
        s = self.settings
        with torch.no_grad():
            answers = (
                "" if self.subject.random else self.subject.model(self.x[:8]).cpu().numpy().tobytes().hex()
            )
        of = [self.weights, self.source.files, answers, self.given.about["sha256"], self.modules]
        machine = [torch.__version__, self.x.device.type]
        return digest([*of, s.norm, s.eps, s.batch_size, s.seed, s.adversarial, self._params(), machine])

    def _params(self) -> dict[str, Any]:
        return {name: spec.model_dump(mode="json") for name, spec in self.specs.items()}

    def report(self, stated: list[verdicts.Stated], started: float) -> Report:
        """Every attack, then the checks."""
        size, n = self.settings.batch_size, len(self.x)
        parts = [slice(i, min(i + size, n)) for i in range(0, n, size)]
        work = {name: suites.cost(spec) for name, spec in self.specs.items()}
        found: dict[str, list[Chunk]] = {}
        with bar(f"{self.source.name}, {self.settings.suite}", int(sum(work.values()) * n)) as shown:
            left = _Left(shown, sum(work.values()) * n)
            for name in self.specs:
                found[name] = []
                for i, part in enumerate(parts):
                    chunk, new = self.store.get(f"{name}-{i:05d}", lambda: self._attack(name, part))  # noqa: B023
                    found[name].append(chunk)
                    left.done(work[name] * (part.stop - part.start), new)
                    left.line(name, found[name], n, new)
        made = [row for chunks in found.values() for row in joined(chunks)]
        return Report(self._record(made, started), Examples.of(self.x, self.y, made, found), stated)

    def _attack(self, name: str, part: slice) -> Chunk:
        """One attack on some images; its draws depend on the seed alone."""
        s, spec, x, y = self.settings, self.specs[name], self.x[part], self.y[part]
        began = time.perf_counter()
        torch.manual_seed(derive(s.seed, name))
        if spec.attack == "none":
            result = rows.natural(self.subject.model, x, y, s.batch_size)
        else:
            shared: dict[str, Any] = {
                "eps": s.eps,
                "norm": s.norm,
                "seed": s.seed,
                "batch_size": s.batch_size,
            }
            result = attacks.get(spec.attack)(self.subject.model, x, y, **shared, **spec.params)
        how: dict[str, Any] = {"deployed": self.subject.model, "seed": s.seed, "batch_size": s.batch_size}
        made = rows.judged(name, spec, result, x, y, began=began, **how)
        fallen = (
            (~result.correct).nonzero()[:, 0] if spec.attack != "none" else result.correct.new_zeros(0).long()
        )
        kept = fallen if s.adversarial else fallen[:SHOWN]
        far = distance(result.x_adv, x, s.norm).cpu().numpy()
        return Chunk(made, far, kept.cpu().numpy(), result.x_adv[kept].cpu().numpy())

    def _checks(self, made: list[dict]) -> list[dict]:
        s = self.settings
        found = [*self.subject.checks, *checks.from_evaluations(made, self.subject.classes)]
        stands = torch.from_numpy(checks.standing(rows.within(made, s.norm, s.eps)))[:PROBED]
        torch.manual_seed(derive(s.seed, "probes"))
        how: dict[str, Any] = {"eps": s.eps, "norm": s.norm, "seed": s.seed, "stands": stands}
        return [*found, *probes.probe(self.subject.model, self.x[:PROBED], self.y[:PROBED], **how)]

    def _record(self, made: list[dict], started: float) -> dict[str, Any]:
        s, source = self.settings, self.source
        found = self._checks(made)
        threat = {"norm": s.norm, "eps": s.eps}
        settings = {**dataclasses.asdict(s), "attacks": self._params()}
        read = next(iter(source.files.values()), None)
        data = {**self.given.about, "num_classes": self.given.about["num_classes"] or self.subject.classes}
        made_by = provenance(started, self.x.device.type)
        return {
            "schema": 1,
            "run": {"study": STUDY, "defense": DEFENSE, "variant": source.name, "seed": s.seed},
            "paper": None,
            "about": f"a model from outside, judged by the suite {s.suite}",
            "config": {
                "params": {}, "data": {"name": data["name"]}, "threat": threat, "training": {}, "starts_from": None,
                "architecture": source.architecture or {"name": type(source.model).__name__},
            },
            "sources": {},
            "fingerprint": {"config": digest(settings), "code": digest(self.modules), "modules": self.modules},
            "checkpoints": {
                "best": {"path": read["path"] if read else source.name, "sha256": self.weights, "epoch": 0}
            },
            "data": data,
            "threat": threat,
            "training_seconds": 0.0,
            "suite": settings,
            "remarks": [*self.subject.remarks, *_said(made, found)],
            "evaluations": made,
            "checks": found,
            "provenance": {**made_by, "model": {"files": source.files, "weights_sha256": self.weights}},
        }  # fmt: skip


def _said(made: list[dict], found: list[dict]) -> list[str]:
    """What the checks mean, in sentences."""
    if not made[0]["correct_count"]:
        return [
            "The model classifies none of the images correctly: nothing is left to be attacked, and nothing is said."
        ]
    failed = [c for c in found if not c["passed"] and c["name"] != "judge_input_scale"]
    if failed:
        told = "; ".join(
            f"{c['name']}: {c['why']} ({c['value']:.4g}, limit {c['limit']:.4g})" for c in failed
        )
        return [
            "Its gradients look masked, or the attacks were too weak: no number here can be believed before a stronger "
            f"attack has failed. {told}."
        ]
    probed = sum(c["name"].startswith("probe_") for c in found)
    if not probed:
        return ["No probe of its gradients could be made."]
    return [
        f"No sign of masked gradients: all {len(found)} checks pass, {probed} of them experiments on the model."
    ]


def _weights(model: Any) -> str:
    """The hash of a model's tensors by name; of a function, its name only."""
    if not isinstance(model, nn.Module):
        return digest(getattr(model, "__qualname__", type(model).__name__))
    held = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        if isinstance(tensor, Tensor):
            held.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
            held.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return held.hexdigest()


class _Left:
    """How much is done and how long the rest may take, from what this process needed so far."""

    def __init__(self, shown: Bar, whole: float):
        self.shown, self.rest, self.made, self.began = shown, whole, 0.0, time.perf_counter()

    def done(self, work: float, new: bool) -> None:
        self.shown.advance(int(work))
        self.rest -= work
        self.made += work if new else 0

    def line(self, name: str, chunks: list[Chunk], n: int, new: bool) -> None:
        if not new:
            return
        rows_ = [c.rows[0] for c in chunks]
        stands, seen = sum(r["correct_count"] for r in rows_), sum(r["n"] for r in rows_)
        left = self.rest * (time.perf_counter() - self.began) / self.made
        about = f", about {_duration(left)} left" if self.rest > 0.5 else ""
        self.shown.line(f"{name}: {seen}/{n} images, {100 * stands / seen:.1f} % correct{about}")


def _duration(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 100
        else f"{seconds / 60:.0f} min"
        if seconds < 6000
        else f"{seconds / 3600:.1f} h"
    )
