"""`redoubt record STUDY`: prepares, trains and attacks in order of value, within a time limit, killed or not.

Everything that is finished is on disk before the next unit begins: an epoch in `resume.pt`, an attack in the partial
file beside the result. A later call, here or where `redoubt unpack` put the files, goes on from there, and ends with
the bits that one uninterrupted call would have written.
"""

import fnmatch
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from redoubt import data
from redoubt.audit import staleness
from redoubt.config import Run, Study, Variant, attacks_of, images, load_study, radius, resolve
from redoubt.config.load import mirror_of, study_file
from redoubt.errors import RedoubtError, nearest
from redoubt.evaluation import partial
from redoubt.evaluation.evaluator import Evaluator
from redoubt.evaluation.settings import path_of
from redoubt.progress import bar, console
from redoubt.records.files import read_record, sha256
from redoubt.training import parallel
from redoubt.training.checkpoints import Checkpoints
from redoubt.workflow import archive, locks, units
from redoubt.workflow.rehearsal import rehearse

FIRST_LOOK = ("screen",)  # attacks that say most for their time; where a study has none, those of SHORT
SHORT = ("fgsm", "pgd")


@dataclass(frozen=True)
class Unit:
    """A training, or some steps of an evaluation (all of them: its record is written)."""

    run: Run
    steps: tuple[str, ...] = ()

    @property
    def lock(self) -> str:
        return units.attack(self.run) if self.steps else units.training(self.run)

    @property
    def label(self) -> str:
        return f"attack {self.run.path}: {', '.join(self.steps)}" if self.steps else f"train {self.run.path}"


class Recorder:
    """What of a study is missing, and the work on it.

    Args:
        root: the folder with studies, data, checkpoints, results.
        until: the moment of `time.time()` after which nothing begins that would probably not end.
        mirror: looked at before the network for published weights; default `mirror` of config.yaml.
        runs: variants by name or pattern, e.g. `uiat/*`: these alone, in this order; default all, most valuable first.

    Raises:
        RedoubtError: a pattern that no variant has.
    """

    def __init__(
        self,
        root: Path,
        study: str,
        device: str,
        until: float,
        mirror: Path | None = None,
        runs: Sequence[str] = (),
    ):
        self.root, self.device, self.until = root, device, until
        self.mirror = mirror or mirror_of(root)
        self.study: Study = load_study(study_file(root, study))
        self.variants: dict[str, Variant] = {v.name: v for v in resolve(self.study)}
        self.asked = list(dict.fromkeys(name for pattern in runs for name in self._named(pattern)))
        self.failed: dict[str, str] = {}
        self.worked = False
        staleness.forget()

    def units(self) -> Iterator[Unit]:
        """What is missing, most valuable first; looked up when asked, so that finished units do not come again."""
        if self.asked:
            for name in self.asked:
                for seed in self.variants[name].seeds:
                    yield from self._attacked(self.variants[name].run(seed))
            return
        mains = [v for v in self.variants.values() if v.variant == "main"]
        others = [v for v in self.variants.values() if v.variant != "main"]
        begun = dict.fromkeys(v.starts_from for v in mains if v.starts_from)
        for name in begun:
            yield from self._trained(self.variants[name].run(self.variants[name].seeds[0]))
        for v in mains:
            yield from self._attacked(v.run(v.seeds[0]), first_look=True)
        for v in mains:
            yield from self._attacked(v.run(v.seeds[0]))
        for v in mains:
            for seed in v.seeds[1:]:
                yield from self._attacked(v.run(seed))
        for v in others:
            for seed in v.seeds:
                yield from self._attacked(v.run(seed))

    def _named(self, pattern: str) -> list[str]:
        """The variants of a pattern, as the study orders them."""
        if found := fnmatch.filter(self.variants, pattern):
            return found
        raise RedoubtError(
            "no variant has such a name",
            file=study_file(self.root, self.study.name), key="--run", value=pattern, allowed=list(self.variants),
            nearest=nearest(pattern, self.variants),
        )  # fmt: skip

    def work(self, dataset, after=lambda: None) -> bool:
        """Works until nothing is missing or the time is up; calls `after` when a unit has ended.

        What another process is at is left to it: two recorders share the work, and wait for each other at the end.

        Returns:
            Whether nothing is left. A unit that fails is named in `failed`, and what does not need it goes on.
        """
        while True:
            busy = ""
            for unit in self.units():
                with locks.held(self.root, unit.lock, wait=0) as ours:
                    if not ours:
                        busy = unit.lock
                        continue
                    console.print(f"redoubt record: {unit.label}", markup=False)
                    try:
                        whole = self._do(unit, dataset)
                    except Exception as error:  # of whatever kind: the next call would begin with it again
                        said = str(error) if isinstance(error, RedoubtError) else traceback.format_exc()
                        self.failed[unit.run.path] = said
                        console.print(f"redoubt record: {unit.label} failed: {said}", markup=False)
                        whole = True
                after()
                if not whole:
                    return False
            if not busy:
                return not self.failed
            with locks.held(self.root, busy, wait=self.until - time.time()) as ended:
                if not ended:
                    return False

    def _trained(self, run: Run) -> Iterator[Unit]:
        """The training of a run, after that of the run it starts from."""
        if run.path in self.failed or self._has_weights(run):
            return
        if run.of.starts_from:
            source = self.variants[run.of.starts_from].run(run.seed)
            yield from self._trained(source)
            if not self._has_weights(source):
                return
        yield Unit(run)

    def _attacked(self, run: Run, first_look: bool = False) -> Iterator[Unit]:
        """The evaluation of a run, after its training and that of every model whose gradient is transferred."""
        if run.path in self.failed or self._has_result(run):
            return
        yield from self._trained(run)
        specs = attacks_of(self.study, run.of, run.seed)
        chosen = [n for n, s in specs.items() if s.attack in FIRST_LOOK]
        quick = chosen or [n for n, s in specs.items() if s.attack in SHORT and s.role == "main"]
        names = [n for n in specs if n in quick] if first_look else list(specs)
        for surrogate in dict.fromkeys(s for n in names if (s := specs[n].surrogate)):
            v = self.variants[surrogate]
            yield from self._trained(v.run(v.seeds[0]))
        if self._has_weights(run):
            weights = dict.fromkeys(["best", *(specs[n].checkpoint for n in names)])
            yield Unit(run, tuple([*(f"natural:{w}" for w in weights), *names]))

    def _has_weights(self, run: Run) -> bool:
        kept = Checkpoints(self.root, run)
        record = _record(kept.record_file)
        if record is None or staleness.of_training(self.root, record):
            return False
        # Weights that a fall of the machine left empty are made again: their evaluation would fail for ever.
        return all((f := kept.folder / n).is_file() and sha256(f) == h for n, h in record["files"].items())

    def _has_result(self, run: Run) -> bool:
        record = _record(path_of(self.root, run))
        return record is not None and not staleness.of_result(self.root, record)

    def _do(self, unit: Unit, dataset) -> bool:
        """Whether the unit was ended in time."""
        if not unit.steps:
            if self._has_weights(unit.run):  # another process made them meanwhile
                return True
            rehearse(self.root, self.study, unit.run.of)
            return self._fits(0) and units.train(
                self.root, unit.run, dataset, self.device, self.mirror, until=self.until
            )
        if self._has_result(unit.run):
            return True
        evaluator = Evaluator(self.root, self.study, unit.run, dataset, self.device)
        took = self._took()
        with bar(unit.label, len(unit.steps)) as shown:
            for name in unit.steps:
                if not evaluator.partial.done(name):
                    if not self._fits(took.get(name, 0)):
                        return False
                    evaluator.step(name, shown)
        if all(evaluator.partial.done(name) for name in evaluator.steps()):
            units.finish(evaluator)
        return True

    def _fits(self, seconds: float) -> bool:
        """Whether work of this length may begin. The first does in any case, or no call would ever get past it."""
        fits = not self.worked or time.time() + seconds < self.until
        self.worked = True
        return fits

    def _took(self) -> dict[str, float]:
        """Step: the longest that it took on another run of this study."""
        found: dict[str, float] = {}
        folder = self.root / "results" / self.study.name
        for path in folder.rglob("seed*.partial"):
            for name, s in partial.seconds(path).items():
                found[name] = max(found.get(name, 0.0), s)
        for path in folder.rglob("seed*.json"):
            for row in (_record(path) or {}).get("evaluations", ()):
                found[row["name"]] = max(found.get(row["name"], 0.0), row["seconds"])
        return found


def _record(path: Path) -> dict | None:
    """A whole record, or None."""
    if not path.is_file():
        return None
    try:
        return read_record(path, "redoubt record")
    except RedoubtError:
        return None


def _prepared(root: Path, study: Study) -> bool:
    """Whether images of the study's settings are here; damaged ones are, and are refused when they are opened."""
    try:
        return not images.other_settings(study, data.load(root / "data" / study.name, verify=False).record)
    except RedoubtError:
        return (root / "data" / study.name / "record.json").is_file()


def record(
    root: Path,
    study: str,
    device: str,
    *,
    minutes: float = 9,
    out: Path | None = None,
    weights: bool = False,
    mirror: Path | None = None,
    runs: Sequence[str] = (),
) -> bool:
    """Works on a study for at most about `minutes`, and keeps what has to travel in `out`.

    Args:
        out: folder that gets the parcel (`archive.pack`) after every unit, so that a kill leaves the latest.
        weights: also pack checkpoints and resume files, at the end; without them the next machine trains anew
            what has no result yet.
        mirror: looked at before the network for the study's images and published weights.
        runs: variants by name or pattern; default all of them.

    Returns:
        Whether nothing that was asked for is missing.

    Raises:
        RedoubtError: a wrong study, images that cannot be had, a folder that cannot be written.
    """
    if parallel.asked() > 1:
        raise RedoubtError(
            "one process records a study; start several without torchrun, and they share the work",
            key="WORLD_SIZE", value=parallel.asked(), allowed=1,
        )  # fmt: skip
    until = time.time() + 60 * minutes
    recorder = Recorder(root, study, device, until, mirror, runs)
    with locks.held(root, f"prepare/{study}"):
        if not _prepared(root, recorder.study):
            images.prepare(root, recorder.study, recorder.mirror)

    def keep(weights: bool = False) -> None:
        if out and archive.left(root, study, weights):
            with locks.held(root, f"pack/{study}"):
                archive.pack(root, study, out, weights=weights)

    with radius.meant(recorder.study):
        complete = recorder.work(images.images_of(root, recorder.study), keep)
    keep(weights)
    return complete
