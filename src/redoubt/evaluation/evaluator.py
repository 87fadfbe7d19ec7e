"""A checkpoint against its study's attacks: `redoubt attack STUDY/DEFENSE/VARIANT` writes one record a seed.

The record keeps one bit an example ("still correct") for every attack; accuracies are always derived from them.
"""

import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from redoubt import attacks, data
from redoubt.attacks.core.engine import AttackResult
from redoubt.attacks.core.eot import DRAWS
from redoubt.config import AttackSpec, Run, Study, attacks_of, find_run, named
from redoubt.config.fingerprints import attack_modules
from redoubt.errors import RedoubtError, nearest
from redoubt.evaluation import checks, probes, rows
from redoubt.evaluation.partial import Partial
from redoubt.evaluation.proven import below_what_is_proven
from redoubt.evaluation.settings import evaluation_settings, path_of
from redoubt.progress import bar
from redoubt.records.files import digest, write_record
from redoubt.records.provenance import provenance
from redoubt.seeds import derive
from redoubt.training.checkpoints import Checkpoints

NATURAL = "natural:"  # begins the name of a step that attacks nothing; no attack's name holds a colon


class Evaluator:
    """Attacks one run's checkpoints on the test images.

    Args:
        root: the folder that holds `data`, `checkpoints`, `results`.
        study, run: what is attacked, by which suite.
        dataset: the study's images.
    """

    def __init__(self, root: Path, study: Study, run: Run, dataset, device: str):
        self.root, self.study, self.run, self.device = root, study, run, device
        self.checkpoints = Checkpoints(root, run)
        self.defense = self.checkpoints.defense
        split = dataset.split("test")
        x, y = split.tensors(device)
        n = study.evaluation.images or len(x)
        self.x, self.y, self.split, self.dataset = data.to_float(x[:n]), y[:n], split, dataset
        self.models: dict[str, nn.Module] = {}
        self.specs = attacks_of(study, run.of, run.seed)
        self.partial = Partial(path_of(root, run).with_suffix(".partial"), self._mark)

    def model(self, which: str) -> nn.Module:
        """The trained weights, loaded once."""
        if which not in self.models:
            self.models[which] = self.checkpoints.load(which, self.device)
        return self.models[which]

    def evaluate(self) -> dict[str, Any]:
        """The result record, which is not written here; each step of it is, so that a kill costs one attack."""
        started = time.time()
        names = self.steps()
        with bar(f"{self.run.path} attacks", len(names)) as shown:
            made = [row for name in names for row in self.step(name, shown)]
        return self._record(made, [s.attack for s in self.specs.values()], started)

    def steps(self) -> list[str]:
        """What the record is made of: `natural:WEIGHTS` for each weights, then the attacks by name."""
        weights = dict.fromkeys(["best", *(s.checkpoint for s in self.specs.values())])
        return [*(f"{NATURAL}{which}" for which in weights), *self.specs]

    def step(self, name: str, shown) -> list[dict[str, Any]]:
        """The rows of one step, computed unless they lie in the partial file."""
        spec, new = self.specs.get(name), not self.partial.done(name)
        made = self.partial.step(
            name, lambda: self._attack(name, spec) if spec else self._clean(name.removeprefix(NATURAL))
        )
        shown.advance(1)
        for row in made if spec and new else ():
            left = f"{row['correct_count']}/{row['n']} correct, {row['seconds']:.1f} s"
            shown.line(f"{self.run.path} {row['name']}: {left}")
        return made

    def _mark(self, name: str) -> str:
        """Changes when the rows of a step would: weights, images, settings, code, torch, kind of device."""
        v, e, spec = self.run.of, self.study.evaluation, self.specs.get(name)
        of = [self.checkpoints.record()["files"]]
        if spec and spec.surrogate:
            of.append(self._surrogate(spec.surrogate).record()["files"])
        settings = [spec.model_dump(mode="json") if spec else name, e.images, e.batch_size, e.seed]
        code = attack_modules(v.defense, v.architecture["name"], [spec.attack] if spec else [])
        machine = [torch.__version__, torch.device(self.device).type]
        return digest([self.checkpoints.identity, of, self.dataset.sha256, settings, code, machine])

    def _clean(self, which: str) -> list[dict[str, Any]]:
        """The natural accuracy; for a random model also what is right in every one of its draws."""
        deployed = self.defense.deployed(self.model(which))
        began = time.perf_counter()
        torch.manual_seed(derive(self.study.evaluation.seed, "clean"))
        result = rows.natural(deployed, self.x, self.y, self.study.evaluation.batch_size)
        name = "clean" if which == "best" else f"clean_{which}"
        role = "main" if which == "best" else "diagnostic"
        spec = AttackSpec(
            attack="none", eps=0.0, norm=self.study.threat.norm, checkpoint=which, role=role, draws=DRAWS
        )
        return self._rows(name, spec, result, self.x, self.y, began)

    def _attack(self, name: str, spec: AttackSpec) -> list[dict[str, Any]]:
        """One row; two for a random model whose attack asks for `draws`: see `rows.verdicts`."""
        model = self.model(spec.checkpoint)
        views = self.defense.adaptive(model)
        if spec.view not in views:
            raise RedoubtError(
                f"{self.run.of.defense} has no such view", key=f"evaluation.attacks.{name}.view", value=spec.view,
                allowed=list(views), nearest=nearest(spec.view, views),
            )  # fmt: skip
        crafted = views[spec.view].model.eval()  # a wrapper made just now is in train mode
        if spec.surrogate:
            crafted = self._surrogate(spec.surrogate).deployed(self.device)
        n = min(spec.images or len(self.x), len(self.x))
        x, y = self.x[:n], self.y[:n]
        began = time.perf_counter()
        torch.manual_seed(derive(self.study.evaluation.seed, name))
        result = attacks.get(spec.attack)(
            crafted,
            x,
            y,
            eps=spec.eps,
            norm=spec.norm,
            seed=self.study.evaluation.seed,
            batch_size=self.study.evaluation.batch_size,
            **spec.params,
        )
        return self._rows(name, spec, result, x, y, began)

    def _rows(
        self, name: str, spec: AttackSpec, result: AttackResult, x: Tensor, y: Tensor, began: float
    ) -> list[dict[str, Any]]:
        e, deployed = self.study.evaluation, self.defense.deployed(self.model(spec.checkpoint))
        shared: dict[str, Any] = {"seed": e.seed, "batch_size": e.batch_size, "began": began}
        return rows.judged(name, spec, result, x, y, deployed=deployed, **shared)

    def _surrogate(self, name: str) -> Checkpoints:
        _, variant = find_run(self.root, f"{self.study.name}/{name}")
        return Checkpoints(self.root, variant.run(variant.seeds[0]))

    def _checks(self, made: list[dict]) -> list[dict]:
        """Whether these numbers can be believed: from the bits, and from probes of the deployed model."""
        found = checks.from_evaluations(made, self.dataset.info.num_classes)
        if published := self.run.of.published:
            of = self.study.threat.model_dump()
            found += filter(None, [below_what_is_proven(made, published["proven"], of)])
        # Whether a gradient can be trusted is asked of the defense, not of each seed.
        if not named(self.study.evaluation.probes, self.run.of.name) or self.run.seed != self.run.of.seeds[0]:
            return found
        deployed, threat = self.defense.deployed(self.model("best")), self.study.threat
        torch.manual_seed(derive(self.study.evaluation.seed, "probes"))
        judged = rows.within(made, threat.norm, threat.eps)
        stands = torch.from_numpy(checks.standing(judged))  # of the images that all of them faced
        probed = probes.probe(
            deployed,
            self.x[: len(stands)],
            self.y[: len(stands)],
            eps=threat.eps,
            norm=threat.norm,
            seed=self.study.evaluation.seed,
            stands=stands,
        )
        return [*found, *probed]

    def _record(self, made: list[dict], used: list[str], started: float) -> dict[str, Any]:
        v, split = self.run.of, self.split
        trained = self.checkpoints.record()
        epochs = {"best": trained["best_epoch"], "last": len(trained["history"]) - 1}
        used_weights = dict.fromkeys(["best", *(s.checkpoint for s in self.specs.values())])
        weights = {which: trained["files"][f"{which}.safetensors"] for which in used_weights}
        modules = attack_modules(v.defense, v.architecture["name"], used)
        return {
            "schema": 1,
            "run": {"study": v.study, "defense": v.defense, "variant": v.variant, "seed": self.run.seed},
            "paper": self.defense.paper,
            "about": v.about,
            "config": v.settings(),
            "sources": v.sources,
            "fingerprint": {
                "config": digest(evaluation_settings(self.study, v)),
                "code": digest(modules),
                "modules": modules,
            },
            "checkpoints": {
                which: {
                    "path": self.checkpoints.path(which).relative_to(self.root).as_posix(),
                    "sha256": hashed,
                    "epoch": epochs[which],
                }
                for which, hashed in weights.items()
            },
            "data": {
                "name": v.data["name"],
                "sha256": self.dataset.sha256,
                "split": "test",
                "n": len(self.x),
                "indices_sha256": split.sha256,
                "num_classes": self.dataset.info.num_classes,
                "copy": self.dataset.record.get("copy"),
            },
            "threat": {"norm": self.study.threat.norm, "eps": self.study.threat.eps},
            **({"published": v.published} if v.published else {}),
            "training": {k: trained[k] for k in ("fingerprint", "provenance")},
            "training_seconds": trained["seconds"],
            "evaluations": made,
            "checks": self._checks(made),
            "provenance": provenance(started, self.device),
        }


def attack_run(root: Path, study: Study, run: Run, dataset, device: str) -> None:
    """Evaluates one run and writes its record."""
    evaluator = Evaluator(root, study, run, dataset, device)
    write_record(path_of(root, run), evaluator.evaluate())
    evaluator.partial.drop()
