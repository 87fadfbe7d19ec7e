"""One loop for every defense: `redoubt train STUDY/DEFENSE/VARIANT` writes best and last weights and a record.

Every draw of epoch e comes from a seed derived from the run's seed and e, so a training that was killed goes on
from its last whole epoch and ends with the same bytes as one that was not.
"""

import copy
import functools
import json
import math
import time
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from redoubt import data
from redoubt.config import Run, Training, find_run
from redoubt.defenses.base import Batch, State
from redoubt.errors import RedoubtError
from redoubt.progress import bar, console
from redoubt.records.provenance import hardware, provenance
from redoubt.seeds import derive, generator
from redoubt.training import bf16_trial, parallel, precision
from redoubt.training.checkpoints import Checkpoints
from redoubt.training.optimization import average, decay, momentum, optimizer, rate
from redoubt.training.validation import accuracy


class Trainer:
    """The training of one run, from its data on the device to its files.

    Args:
        root: the folder that holds `data`, `checkpoints`.
        run: what to train.
        device: where.
    """

    def __init__(self, root: Path, run: Run, dataset, device: str):
        self.root, self.run, self.device = root, run, device
        self.t = Training(**run.of.training)
        self.group = parallel.join(device)
        self.hardware = hardware(device)
        self.checkpoints = Checkpoints(root, run)
        self.defense = self.checkpoints.defense
        self.x, self.y = dataset.split("train").tensors(device)
        self.x_val, self.y_val = dataset.split("validation").tensors(device)
        self.x_val = data.to_float(self.x_val)
        self.dataset = dataset
        self.speed, self.mark = self._pace()
        self.steps = math.ceil(len(self.x) / self.t.batch_size)
        self.history: list[dict] = []
        self.best: tuple[float, int, dict[str, Tensor]] | None = None
        self.parts: list[dict] = []  # of a training that was interrupted: when, how long and on what each ran

    def _pace(self) -> tuple[precision.Speed, str]:
        """How the passes run, and the mark of a training that runs so: as one that is gone on with did."""

        def marked(begun: dict | None = None) -> tuple[precision.Speed, str]:
            gain = functools.partial(bf16_trial.gain, self.defense, self.t.batch_size, self.device)
            speed = precision.resolve(
                self.t,
                self.device,
                self.defense.graphs,
                measure=lambda: self.group.first(gain),
                begun=begun,
                processes=self.group.processes,
            )
            gpu = self.hardware if speed.device == "cuda" else None
            return speed, self.checkpoints.mark(self.dataset.sha256, speed.summary(), gpu)

        begun = self.checkpoints.begun() if self.t.precision == "auto" else None
        if begun and begun["speed"]:
            speed, mark = marked(begun["speed"])
            if mark == begun["mark"]:
                return speed, mark
        return marked()

    def prepare(self) -> State:
        """The model, its optimizers and its averaged twin, as they stand before the first step or after a kill."""
        left = self.checkpoints.interrupted(self.mark)
        try:
            return self._prepare(left)
        except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            if left is None:
                raise
            console.print(
                f"redoubt: what is left of {self.run.path} cannot be gone on with, it begins anew: {error}",
                markup=False,
            )
            return self._prepare(None)

    def _prepare(self, left: dict | None) -> State:
        seed = self.run.seed
        self.history, self.best, self.parts = [], None, []
        torch.manual_seed(derive(seed, "build"))
        model = self.defense.build().to(self.device)
        if self.run.of.starts_from:
            self.defense.initialize(model, self._source())
        model = model.to(memory_format=torch.channels_last)
        optimizers = self.defense.optimizers(model, optimizer(self.t))
        self.ema = copy.deepcopy(model) if self.t.ema else None
        state = State(
            model,
            optimizers,
            generator(self.device, seed, "unset"),
            epochs=self.t.epochs,
            steps_per_epoch=self.steps,
        )
        if left:
            model.load_state_dict(left["model"])
            for name, o in optimizers.items():
                o.load_state_dict(left["optimizers"][name])
            if self.ema is not None:
                self.ema.load_state_dict(left["ema"])
            self.history, self.best, self.parts = left["history"], left["best"], left["parts"]
            state.epoch = len(self.history)
        self.speed.compile(model)
        return state

    def _source(self) -> nn.Module:
        _, variant = find_run(self.root, f"{self.run.of.study}/{self.run.of.starts_from}")
        return Checkpoints(self.root, variant.run(self.run.seed)).deployed(self.device)

    def train(self, until: float = math.inf) -> bool:
        """Runs every epoch that is missing, then writes the weights, the record, and drops the resume file.

        Args:
            until: a moment of `time.time()`; an epoch that would probably end after it is left to the next call.

        Returns:
            Whether the training is complete.
        """
        with self.group.sharing(self.t.sync_batch_norm):
            return self._train(until)

    def _train(self, until: float) -> bool:
        started = time.time()
        state = self.prepare()
        self.parts = [*self.parts, self._part(started)]
        self.group.compare(state.model, state.epoch)
        total = self.t.epochs * len(self.x)
        with bar(self.run.path, total, state.epoch * len(self.x)) as shown:
            for epoch in range(state.epoch, self.t.epochs):
                began = time.perf_counter()
                state.epoch = epoch
                metrics = self._epoch(state, shown)
                seconds = time.perf_counter() - began
                self._validate(state, {**metrics, "images_per_s": round(len(self.x) / seconds, 1)})
                self.group.compare(state.model, epoch)
                self.parts[-1] = self._part(started)
                if self.group.leads:
                    self._keep(state)
                row = self.history[-1]
                shown.line(
                    f"{self.run.path} epoch {epoch + 1}/{self.t.epochs}: loss {row['loss']:.4f}, "
                    f"clean {row['clean']:.3f}, robust {row['robust']:.3f}, {row['images_per_s']:.0f} images/s, "
                    f"{seconds * (self.t.epochs - epoch - 1):.0f} s left"
                )
                late = epoch + 1 < self.t.epochs and time.time() + time.perf_counter() - began > until
                if self.group.first(lambda late=late: late):  # type: ignore[misc]
                    return False
        self._write(state, started)
        self.group.wait()
        return True

    def _part(self, started: float) -> dict:
        """One sitting of this training so far, as its record lists it."""
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started))
        return {"started": when, "seconds": round(time.time() - started, 3), "hardware": self.hardware}

    def _epoch(self, state: State, shown) -> dict[str, float]:
        seed, epoch = self.run.seed, state.epoch
        torch.manual_seed(derive(seed, "epoch", epoch))
        state.generator = draws = generator(self.device, seed, "epoch draws", epoch)
        order = torch.randperm(len(self.x), generator=draws, device=self.device)
        state.model.train()
        sums: dict[str, Tensor] = {}
        unset = torch.tensor(-1, device=self.device)
        broken = unset  # the first step whose loss is not finite; kept on the device, read once an epoch
        for i, index in enumerate(order.split(self.t.batch_size)):
            state.step = epoch * self.steps + i
            at = state.step / (self.t.epochs * self.steps)
            for o in state.optimizers.values():
                for group in o.param_groups:
                    group["lr"] = group.setdefault("initial_lr", group["lr"]) * rate(self.t, at)
                    if self.t.peak_momentum is not None:
                        group["momentum"] = momentum(self.t, at)
            state.warmup = min(1.0, (state.step + 1) / max(1, round(self.t.warmup_epochs * self.steps)))
            x = data.augment(data.to_float(self.x[index]), draws, self.t.augment)
            batch = Batch(x.contiguous(memory_format=torch.channels_last), self.y[index], index)
            self.speed.begin_step()
            with self.speed.autocast(), self.speed.eagerly(len(index) != self.t.batch_size):
                metrics = self.defense.step(batch, state)
            if self.ema is not None:
                average(self.ema, state.model, decay(self.t, state.step))
            finite = torch.isfinite(metrics["loss"])
            broken = torch.where((broken < 0) & ~finite, torch.full_like(unset, state.step), broken)
            for name, value in metrics.items():
                sums[name] = sums.get(name, 0) + value * len(index)
            shown.advance(len(index))
        means = {name: (value / len(self.x)).item() for name, value in sums.items()}
        if broken >= 0:
            raise RedoubtError(
                f"the loss of {self.run.path} is not finite at step {int(broken)} (epoch {epoch + 1}); "
                "no checkpoint was written",
                value=json.dumps(means, sort_keys=True),
                hint="lower training.lr, grow the radius with training.warmup_epochs, or use precision float32",
            )
        return means

    def _validate(self, state: State, row: dict[str, float]) -> None:
        seen = self.ema if self.ema is not None else state.model
        seed = derive(self.run.seed, "validation")
        with self.speed.autocast(), self.speed.eagerly():
            clean, robust = accuracy(
                self.defense, seen, self.x_val, self.y_val, self.t.validation_steps, seed
            )
        lr = next(iter(state.optimizers.values())).param_groups[0]["lr"]
        self.history.append({"epoch": state.epoch, "clean": clean, "robust": robust, "lr": lr, **row})
        score = self.history[-1][self.defense.selects_on]
        if self.best is None or score > self.best[0]:
            self.best = (
                score,
                state.epoch,
                {k: v.detach().cpu().clone() for k, v in seen.state_dict().items()},
            )

    def _keep(self, state: State) -> None:
        """The resume file: everything the next epoch depends on, replaced in one move."""
        content = {
            "model": state.model.state_dict(),
            "optimizers": {k: o.state_dict() for k, o in state.optimizers.items()},
            "ema": self.ema.state_dict() if self.ema is not None else None,
            "history": self.history,
            "best": self.best,
            "parts": self.parts,
            "speed": self.speed.summary(),
        }
        self.checkpoints.interrupt(self.mark, content)

    def _finished(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """The weights with what the defense chooses on validation images at the end."""
        model = self.defense.build().to(self.device)
        model.load_state_dict(tensors)
        seed = derive(self.run.seed, "validation")
        how = (self.x_val, self.y_val, self.t.validation_steps, seed)
        with self.speed.eagerly():
            self.defense.finish(model.eval(), lambda: accuracy(self.defense, model, *how))
        return model.state_dict()

    def _write(self, state: State, started: float) -> None:
        seen = self.ema if self.ema is not None else state.model
        _, best_epoch, best = cast(
            tuple[float, int, dict[str, Tensor]], self.best
        )  # one epoch at least is done
        weights = {"best": self._finished(best), "last": self._finished(seen.state_dict())}
        self.parts[-1] = self._part(started)
        if not self.group.leads:
            return
        v = self.run.of
        record = {
            "schema": 1,
            "run": {"study": v.study, "defense": v.defense, "variant": v.variant, "seed": self.run.seed},
            "about": v.about,
            "config": v.settings(),
            "sources": v.sources,
            "data": {"name": v.data["name"], "sha256": self.dataset.sha256},
            "speed": self.speed.summary(),
            "selected_on": f"validation {self.defense.selects_on} accuracy",
            "best_epoch": best_epoch,
            "history": self.history,
            "seconds": round(sum(p["seconds"] for p in self.parts), 3),
            "parts": self.parts,
            "provenance": provenance(started, self.device),
        }
        self.checkpoints.finish(weights, record)
