"""AutoAttack as the package pyautoattack 0.2.0 runs it, reported in the same form as ours."""

import time
from collections.abc import Sequence

import torch
from torch import Tensor

from redoubt.attacks.core.checked_input import Model, check_input
from redoubt.attacks.core.engine import AttackResult, Counted, frozen
from redoubt.errors import RedoubtError
from redoubt.records.packed_booleans import pack

NAMES = {
    "apgd_ce": "apgd-ce", "apgd_dlr": "apgd-dlr", "apgd_t": "apgd-t",
    "fab": "fab", "fab_t": "fab-t", "square": "square",
}  # fmt: skip


def _suite(model: Model, device: torch.device, *, eps, norm, seed, version, steps, queries, targets):
    try:
        from pyautoattack import AutoAttack
    except ImportError as error:
        raise RedoubtError(
            "the backend pyautoattack is not installed",
            key="backend",
            value="pyautoattack",
            hint="pip install pyautoattack==0.2.0, or backend redoubt",
        ) from error
    suite = AutoAttack(
        model, norm={"linf": "Linf", "l2": "L2"}[norm], eps=eps, seed=seed, version=version, device=device
    )
    for part in (suite.apgd, suite.apgd_targeted):
        part.n_iter = steps
        part.n_iter_2 = max(int(0.22 * steps), 1)
        part.n_iter_min, part.size_decr = max(int(0.06 * steps), 1), max(int(0.03 * steps), 1)
    suite.fab.n_iter, suite.square.n_queries = steps, queries
    suite.apgd_targeted.n_target_classes = suite.fab.n_target_classes = targets
    suite.verbose = False
    return suite


def reference(
    model: Model, x: Tensor, y: Tensor, *, stages: Sequence[str], version: str, eps: float, norm: str, seed: int,
    batch_size: int, steps: int, queries: int, targets: int,
) -> AttackResult:  # fmt: skip
    """Runs pyautoattack stage by stage, which gives what one run of the suite gives, and its survivors.

    Its own verdicts stand: for a random model (`rand`) one lucky draw is a success.

    Returns:
        As `stages.in_stages`; passes include the package's own checks of the model.

    Raises:
        RedoubtError: see `checked_input.check_input`; the package is not installed; fewer than 4 classes, where its DLR
            losses are undefined; a model without a gradient.
    """
    x, y = check_input(model, x, y, eps, norm)
    counted, log = Counted(model), []
    x_adv = x.detach().clone()
    correct = torch.zeros_like(y, dtype=torch.bool)
    if len(x):
        with torch.no_grad():
            logits = torch.cat([counted(part) for part in x.split(batch_size)])
        if logits.shape[1] < 4:
            raise RedoubtError(
                "pyautoattack's DLR losses need at least 4 classes",
                value=logits.shape[1],
                hint="backend redoubt",
            )
        correct = logits.max(1).indices == y
        log.append(_entry("clean", correct, counted.forward, 0, 0.0))
        suite = _suite(
            counted, x.device, eps=eps, norm=norm, seed=seed, version=version, steps=steps, queries=queries,
            targets=min(targets, logits.shape[1] - 1),
        )  # fmt: skip
    for name in stages if len(x) and eps > 0 else ():
        index = correct.nonzero()[:, 0]
        if not len(index):
            break
        began, forward, backward = time.perf_counter(), counted.forward, counted.backward
        suite.attacks_to_run = [NAMES[name]]
        with frozen(model), torch.random.fork_rng(devices=[x.device] if x.is_cuda else []):
            found, said = _ran(suite, x[index], y[index], batch_size)
        x_adv[index] = found
        correct[index] = said == y[index]
        seconds = time.perf_counter() - began
        log.append(_entry(name, correct, counted.forward - forward, counted.backward - backward, seconds))
    info = {
        "suite": version, "backend": "pyautoattack", "steps": steps, "queries": queries, "targets": targets,
        "batch_size": batch_size, "stages": log,
    }  # fmt: skip
    return AttackResult(x_adv, correct, counted.forward, counted.backward, counted.calls, info)


def _ran(suite, x: Tensor, y: Tensor, batch_size: int) -> tuple[Tensor, Tensor]:
    try:
        return suite.run_standard_evaluation(x, y, batch_size=batch_size)
    except RuntimeError as error:
        if "does not require grad" not in str(error) and "not have been used in the graph" not in str(error):
            raise
    raise RedoubtError("pyautoattack cannot run on a model without a gradient", hint="backend redoubt")


def _entry(name: str, correct: Tensor, forward: int, backward: int, seconds: float) -> dict:
    return {
        "name": name,
        "standing": int(correct.sum()),
        "bits": pack(correct.cpu().numpy()),
        "forward": forward,
        "backward": backward,
        "seconds": round(seconds, 3),
    }
