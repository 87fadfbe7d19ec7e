"""The units of a study's work, a seed each: made once, put back where they were made before."""

import math
from pathlib import Path

import torch

from redoubt.config import Run, Study, find_run
from redoubt.errors import RedoubtError
from redoubt.evaluation.evaluator import Evaluator
from redoubt.evaluation.settings import evaluation_settings, path_of
from redoubt.progress import console
from redoubt.records.files import digest, write_record
from redoubt.training import parallel
from redoubt.training.adoption import training_of
from redoubt.training.checkpoints import WEIGHTS, Checkpoints
from redoubt.workflow.finished import Finished


def training(run: Run) -> str:
    """The name of a run's training, for its lock and its finished files."""
    return f"train/{run.path}"


def attack(run: Run) -> str:
    """The name of a run's evaluation."""
    return f"attack/{run.path}"


def train(
    root: Path, run: Run, dataset, device: str, mirror=None, *, until: float = math.inf, again: bool = False
) -> bool:
    """Trains a run, or puts its weights back.

    Args:
        until: see `Trainer.train`.
        again: train also where the finished weights are kept.

    Returns:
        Whether the weights are there.
    """
    group, kept = parallel.join(device), trained(root, run, dataset)
    if group.first(lambda: not again and kept.restore()):
        _say(run, "trained")
        return True
    if not training_of(root, run, dataset, device, mirror).train(until):
        return False
    if group.leads:
        kept.keep()
    group.wait()
    return True


def evaluate(root: Path, study: Study, run: Run, dataset, device: str, *, again: bool = False) -> None:
    """Attacks a run and writes its record, or puts the record back.

    Raises:
        RedoubtError: this is one of several processes, of which each would do the whole work.
    """
    if parallel.asked() > 1:
        raise RedoubtError(
            "an attack is the work of one process", key="WORLD_SIZE", value=parallel.asked(), allowed=1
        )
    evaluator = Evaluator(root, study, run, dataset, device)
    kept = attacked(evaluator)
    if not again and kept.restore():
        _say(run, "attacked")
        return
    finish(evaluator)


def finish(evaluator: Evaluator) -> None:
    """Makes what is missing of an evaluation, writes the record and keeps it."""
    write_record(path_of(evaluator.root, evaluator.run), evaluator.evaluate())
    evaluator.partial.drop()
    attacked(evaluator).keep()


def trained(root: Path, run: Run, dataset) -> Finished:
    """The finished weights of a run: of its settings, code, images, torch, and the weights that it starts from."""
    kept = Checkpoints(root, run)

    def mark() -> str:
        start = None
        if run.of.starts_from:
            _, source = find_run(root, f"{run.of.study}/{run.of.starts_from}")
            start = Checkpoints(root, source.run(run.seed)).record()["files"]
        return digest([kept.identity, kept.fingerprint["code"], dataset.sha256, torch.__version__, start])

    files = [*(kept.path(which) for which in WEIGHTS), kept.record_file]
    return Finished(root, training(run), files, mark)


def attacked(evaluator: Evaluator) -> Finished:
    """The finished record of a run: of the marks of all its steps, and of what else is asked."""
    run, study = evaluator.run, evaluator.study

    def mark() -> str:
        steps = {name: evaluator.partial.mark(name) for name in evaluator.steps()}
        return digest(
            [steps, evaluation_settings(study, run.of), run.of.published, study.threat.model_dump()]
        )

    return Finished(evaluator.root, attack(run), [path_of(evaluator.root, run)], mark)


def _say(run: Run, done: str) -> None:
    console.print(
        f"redoubt: {run.path} is {done} already, nothing to do (--again does it anew)", markup=False
    )
