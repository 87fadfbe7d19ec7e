"""What the Snakefile asks: which files exist for which run, and the fingerprints that decide what runs again."""

import functools
import re
from dataclasses import dataclass
from pathlib import Path

from redoubt import data
from redoubt.config import Run, Variant, attacked_files, attacks_of, load_config, load_study, resolve, without
from redoubt.config.fingerprints import attack_code, code_fingerprint, training_code
from redoubt.config.schema import Study
from redoubt.errors import RedoubtError
from redoubt.evaluation.settings import evaluation_settings
from redoubt.records import challenges, shipped
from redoubt.records.files import digest, read_record, sha256
from redoubt.reports import exhibits
from redoubt.workflow.gpu import cards


@dataclass(frozen=True)
class Group:
    """Variants that are trained with the same seeds, hence by one rule.

    Attributes:
        label: ends the rule's name.
        pattern: regular expression of their `study/defense/variant`.
    """

    label: str
    seeds: tuple[int, ...]
    pattern: str


class Dag:
    """config.yaml and its studies, resolved to paths relative to `root`.

    Raises:
        RedoubtError: whatever is wrong in the files; at a depth that needs files, the first one missing.
    """

    def __init__(self, root: Path = Path()):
        self.config = load_config(root / "config.yaml")
        self.depth = {name: choice.start_from for name, choice in self.config.studies.items()}
        self.studies: dict[str, Study] = {n: load_study(root / "studies" / f"{n}.yaml") for n in self.depth}
        self._root, self._shipped = root, shipped.ledger(root)
        self._whole = {v.path: v for s in self.studies.values() for v in resolve(s)}
        self.variants: dict[str, Variant] = {v.path: v for name in self.studies for v in self._recorded(name)}
        self._check(root)

    def _recorded(self, study: str) -> list[Variant]:
        """Variants with the seeds that count: of a study that was shipped unfinished, those with a result."""
        scratch = self.depth[study] == "scratch"
        lacking = set() if scratch else shipped.lacking(self._root, self._shipped, study)
        return without([v for v in self._whole.values() if v.study == study], lacking)

    def _check(self, root: Path) -> None:
        for v in self.variants.values():
            depth = self.at(v.path)
            needed = {"scratch": lambda _: [], "checkpoints": self.attacked, "results": self.results}
            for path in needed[depth](v.path):
                if not (root / path).is_file():
                    bring = "dvc pull" if path.startswith("check") else "git checkout"
                    raise RedoubtError(
                        f"study {v.study} starts from {depth}, and a file of it is missing",
                        file=path, hint=f"{bring}, or start_from: scratch in config.yaml",
                    )  # fmt: skip

    def sound(self) -> None:
        """Refuses inputs that are not what was recorded, before Snakemake deletes what was made from them.

        Images by their record's own hash; weights where they were changed after the result that rests on them.

        Raises:
            RedoubtError: names the first damaged file, and what brings it back.
        """
        for study in self.depth:
            images = self._root / "data" / study
            if (images / "record.json").is_file():
                data.load(images, verify=False)
        for v in self.variants.values():
            for seed, result in zip(v.seeds, self.results(v.path), strict=True):
                self._sound_weights(v.run(seed), self._root / result)

    def _sound_weights(self, run: Run, result: Path) -> None:
        folder = self._root / "checkpoints" / run.path
        record, last = folder / "record.json", _changed(result)
        if last is None or _changed(record) is None:
            return
        newer = [p for p in folder.glob("*.safetensors") if (_changed(p) or 0) > last]
        if not newer or (_changed(record) or 0) > last:
            return  # as they were when they were attacked, or trained anew since
        files = read_record(record, f"redoubt train {run.of.path}")["files"]
        for path in newer:
            if sha256(path) != files.get(path.name):
                raise RedoubtError(
                    "this checkpoint was changed since it was attacked: it is not what its record describes",
                    file=path.relative_to(self._root),
                    hint="restore it (dvc pull, a backup), or delete it to have it trained anew",
                )

    def at(self, run: str) -> str:
        """How deep a variant is re-run: `results` in a study at `checkpoints` where its attacks lack weights."""
        study = run.split("/")[0]
        if self.depth[study] != "checkpoints" or study not in self._shipped["studies"]:
            return self.depth[study]
        needed = [*self.attacked(run), *self.surrogates(run)]
        carried = {f"checkpoints/{x}" for x in self._shipped["carried"]}
        there = carried.issuperset(needed) or all((self._root / path).is_file() for path in needed)
        return "checkpoints" if there else "results"

    @functools.cached_property
    def cards(self) -> list[str]:
        """The GPUs of this machine: a run takes one of them, and as many run at once."""
        return cards()

    def groups(self, *depths: str) -> list[Group]:
        """The variants of the studies at these depths, by their seeds."""
        by: dict[tuple[int, ...], list[str]] = {}
        for v in self.variants.values():
            if self.at(v.path) in depths:
                by.setdefault(v.seeds, []).append(re.escape(v.path))
        return [Group("_".join(map(str, seeds)), seeds, "|".join(paths)) for seeds, paths in by.items()]

    def weights(self, run: str) -> list[str]:
        """The checkpoints and training records of a variant."""
        names = ("best.safetensors", "last.safetensors", "record.json")
        return [f"checkpoints/{run}/seed{s}/{name}" for s in self.variants[run].seeds for name in names]

    def attacked(self, run: str) -> list[str]:
        """Those of a variant's `weights` that its attacks take; what the repository carries is no more."""
        if self.depth[run.split("/")[0]] == "scratch":
            return self.weights(run)
        v = self.variants[run]
        return [f"checkpoints/{file}" for file in attacked_files(self.studies[v.study], v)]

    def results(self, run: str) -> list[str]:
        """The result records of a variant."""
        return [f"results/{run}/seed{s}.json" for s in self.variants[run].seeds]

    def data(self, run: str) -> str:
        """The record of the prepared images that a run needs."""
        return f"data/{run.split('/')[0]}/record.json"

    def starts(self, run: str) -> list[str]:
        """The checkpoints that a variant's training begins from, attacked or not."""
        v = self.variants[run]
        if not v.starts_from:
            return []
        start = self._whole[f"{v.study}/{v.starts_from}"]
        return [_best(start, seed) for seed in start.seeds]

    def surrogates(self, run: str) -> list[str]:
        """The checkpoints whose gradients are transferred to a variant, attacked or not: of their first seed."""
        v, study = self._whole[run], self.studies[run.split("/")[0]]
        specs = [s for seed in self.variants[run].seeds for s in attacks_of(study, v, seed).values()]
        lent = [self._whole[f"{study.name}/{n}"] for n in dict.fromkeys(s.surrogate for s in specs) if n]
        return [_best(other, other.seeds[0]) for other in lent]

    def data_settings(self, study: str) -> str:
        """Changes when other images or another division are asked for."""
        return digest(self.studies[study].data.model_dump())

    def training(self, run: str) -> str:
        """Changes when the weights of a variant would: its settings, or the meaning of the code behind it."""
        v = self.variants[run]
        return digest([v.settings(), v.seeds, training_code(v.defense, v.architecture["name"])])

    def attacking(self, run: str) -> str:
        """Changes when the result of a variant would, for the same weights."""
        v, study = self.variants[run], self.studies[run.split("/")[0]]
        settings = evaluation_settings(study, v)
        used = [a["attack"] for a in settings["attacks"].values()]
        return digest([settings, attack_code(v.defense, v.architecture["name"], used)])

    def audited(self) -> str:
        """Regular expression of every variant that can be audited, whatever the depth of its study."""
        return "|".join(re.escape(run) for run in self.variants)

    def auditing(self, run: str) -> str:
        """Changes when an audit could end otherwise: what would be made anew, or what is recorded of it."""
        files = [self._root / path for path in [*self.results(run), *self.weights(run)]]
        files += [shipped.copy_of_training(self._root, run, s) for s in self.variants[run].seeds]
        recorded = [sha256(f) for f in files if f.is_file() and f.suffix == ".json"]
        return digest([self.training(run), self.attacking(run), recorded])

    def all_results(self) -> list[str]:
        """Every result record of every study."""
        return [p for run in self.variants for p in self.results(run)]

    def challenges(self) -> list[str]:
        """What lies beside the result records from outside: tables and pages count it."""
        found = [path for result in self.all_results() for path in challenges.files(self._root / result)]
        return [path.relative_to(self._root).as_posix() for path in found]

    def all_records(self) -> list[str]:
        """Every training record: beside the weights or, of a variant from results, beside these if it was shipped."""
        return [path for run in self.variants for path in self._trained(run)]

    def _trained(self, run: str) -> list[str]:
        if self.at(run) != "results":
            return [p for p in self.weights(run) if p.endswith("record.json")]
        files = [shipped.copy_of_training(self._root, run, s) for s in self.variants[run].seeds]
        return [f.relative_to(self._root).as_posix() for f in files if f.is_file()]

    def origins(self) -> str:
        """Changes when other records are those that the repository carries."""
        return digest(self._shipped["studies"])

    def code(self, module: str) -> str:
        """Changes when the meaning of a report module does."""
        return code_fingerprint(module)

    @functools.cached_property
    def held(self) -> dict[str, exhibits.Held]:
        """What each study holds, for the list of exhibits."""
        found = {}
        for name, study in self.studies.items():
            variants = [v for v in self.variants.values() if v.study == name]
            whole = {v.name for v in variants if len(self._trained(v.path)) == len(v.seeds)}
            deep = {v.name for v in variants if self.at(v.path) != "results"}
            found[name] = exhibits.held(study, self.depth[name], variants, records=whole, weights=deep)
        return found

    def listed(self) -> str:
        """Changes when the list of exhibits does."""
        return digest(exhibits.listing(self.held))

    def figures(self) -> dict[str, dict[str, exhibits.Exhibit]]:
        """The figures of each notebook that the studies feed: file name without ending -> exhibit."""
        return {notebook: exhibits.figures(notebook, self.held) for notebook in exhibits.NOTEBOOKS}

    def analyzed(self, notebook: str) -> list[str]:
        """The checkpoints and images that the figures of a notebook analyze."""
        runs = exhibits.needs_weights(notebook, self.held)
        weights = [p for run in runs for p in self.weights(run) if "last" not in p]
        return [*weights, *dict.fromkeys(self.data(run) for run in runs)]

    def drawing(self, notebook: str) -> str:
        """Changes when the meaning of the code behind a notebook's figures does."""
        return code_fingerprint("redoubt.reports.figures", f"redoubt.reports.figures.{notebook}")

    def pages(self) -> str:
        """Changes when a template, a style or a script of the site does."""
        folder = Path(__file__).parents[1] / "reports" / "site"
        return digest(
            {p.name: sha256(p) for kind in ("templates", "assets") for p in (folder / kind).iterdir()}
        )


def _best(v: Variant, seed: int) -> str:
    return f"checkpoints/{v.path}/seed{seed}/best.safetensors"


def _changed(path: Path) -> int | None:
    """When a file was last changed, in nanoseconds; None where it is not there."""
    return path.stat().st_mtime_ns if path.is_file() else None
