"""What is known of one study: its results and training records as frames, its trained networks and its images."""

import fnmatch
import functools
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from redoubt.evaluation import check_table
from redoubt.records import results, trainings
from redoubt.records.shipped import training_file
from redoubt.reports import comparisons
from redoubt.reports.names import attack as attack_called
from redoubt.reports.names import label
from redoubt.statistics.intervals import Interval, accuracy


def interval(bits: list[np.ndarray]) -> Interval:
    """Accuracy in percent with its 95 % bootstrap interval over images and seeds.

    Args:
        bits: (n,) bool a seed, correct on each image.
    """
    n = min(map(len, bits))
    return accuracy(np.stack([b[:n] for b in bits])).percent()


class Evidence:
    """One study.

    Args:
        root: the folder with `results`, `checkpoints`, `data`, `studies`.
        study: its name.
        runs: `studies.<study>.runs` of reports/exhibits.json.
    """

    def __init__(self, root: Path, study: str, runs: dict[str, dict[str, Any]]):
        self.root, self.study, self.runs = root, study, runs

    def variants(self, *patterns: str) -> list[str]:
        """`defense/variant` of the study, in its order, that match any pattern."""
        return [v for v in self.runs if any(fnmatch.fnmatch(v, p) for p in patterns)]

    def param(self, variant: str, name: str):
        """A hyper-parameter of a variant, or None."""
        return self.runs[variant]["params"].get(name)

    def _files(self, folder: str, ending: str) -> list[Path]:
        return [
            self.root / folder / self.study / v / ending.format(seed)
            for v, run in self.runs.items()
            for seed in run["seeds"]
        ]

    @functools.cached_property
    def tidy(self) -> pd.DataFrame:
        """One row a run and attack, as `results.frame`, with `run` (`defense/variant`) and `accuracy` in percent."""
        found = results.frame(self._files("results", "seed{}.json"))
        found["run"] = found["defense"] + "/" + found["variant"]
        found["accuracy"] = [100 * c.mean() for c in found["correct"]]
        return found

    @functools.cached_property
    def checks(self) -> pd.DataFrame:
        """One row a run and validity check."""
        return check_table.table(self._files("results", "seed{}.json"))

    def rows(self, runs: list[str], attacks: list[str] | None = None) -> pd.DataFrame:
        """The rows of these variants, and of these attacks."""
        found = self.tidy[self.tidy["run"].isin(runs)]
        return found if attacks is None else found[found["name"].isin(attacks)]

    @functools.cached_property
    def _records(self) -> dict[str, list[dict]]:
        return {}

    def records(self, run: str) -> list[dict]:
        """The training records of a variant, one a seed."""
        if run not in self._records:
            paths = [training_file(self.root, f"{self.study}/{run}", s) for s in self.runs[run]["seeds"]]
            self._records[run] = [trainings.read(p, f"redoubt train {self.study}/{run}") for p in paths]
        return self._records[run]

    def results(self, run: str) -> list[dict]:
        """The result records of a variant, one a seed."""
        folder = self.root / "results" / self.study / run
        return [results.read(folder / f"seed{s}.json") for s in self.runs[run]["seeds"]]

    def history(self, runs: list[str]) -> pd.DataFrame:
        """One row a variant, seed and epoch (from 1), with everything that its training logged."""
        rows = [
            {**h, "run": run, "seed": r["run"]["seed"], "epoch": h["epoch"] + 1, "called": label(run)}
            for run in runs
            for r in self.records(run)
            for h in r["history"]
        ]
        return pd.DataFrame(rows)

    def accuracy(self, run: str, attack: str) -> Interval | None:
        """Accuracy in percent with its 95 % interval, None where the variant did not face the attack."""
        rows = self.rows([run], [attack])
        return interval(list(rows["correct"])) if len(rows) else None

    def points(self, rows: pd.DataFrame, *by: str) -> pd.DataFrame:
        """Accuracy in percent with its 95 % interval over seeds and images: a row each of the groups `by`.

        Args:
            rows: of `tidy`, those of a group being the seeds of one run under one attack.

        Returns:
            The columns `by`, `value`, `low`, `high`, in the order of `rows`.
        """
        found = []
        for keys, group in rows.groupby(list(by), sort=False):
            ci = interval(list(group["correct"]))
            found.append((*keys, ci.value, ci.low, ci.high))
        return pd.DataFrame(found, columns=[*by, "value", "low", "high"])

    def value(self, run: str, attack: str) -> float:
        """Accuracy in percent under an attack that the variant faced."""
        found = self.accuracy(run, attack)
        if found is None:
            raise KeyError(f"{run} did not face {attack}")
        return found.value

    def compare(self, run: str, base: str, attack: str) -> str:
        """`UIAT minus PGD-AT under worst: +1.2 [-0.3, 2.7] points, not told apart (3 seeds, n = 500)`."""
        d = comparisons.difference(self.rows([run], [attack]), self.rows([base], [attack]))
        if d is None:
            return f"{label(run)} and {label(base)} share no seed under {attack}"
        seeds = "1 seed" if d["seeds"] == 1 else f"{d['seeds']} seeds"
        under = {"clean": "natural", "worst": "in the worst case"}.get(
            attack, f"under {attack_called(attack)}"
        )
        return (
            f"{label(run)} minus {label(base)}, {under}: {d['difference']} points, {d['direction']} "
            f"({seeds}, n = {d['n']})"
        )

    def behind(self, runs: list[str]) -> str:
        """`study digits, n = 500 test images (worst case: 200), 1 to 3 training seeds`."""
        n, worst = self.rows(runs)["n"].max(), self.rows(runs, ["worst"])["n"]
        fewer = f" (worst case: {_span(worst)})" if worst.min() < n else ""
        return f"study {self.study}, n = {n} test images{fewer}, {self.seeds(runs)}"

    def seeds(self, runs: list[str]) -> str:
        """`3 training seeds` or `1 to 3 training seeds`."""
        counts = [len(self.runs[r]["seeds"]) for r in runs]
        return f"{_span(counts)} training seed{'s' if max(counts) > 1 else ''}"

    @functools.cached_property
    def threat(self) -> tuple[str, float]:
        """Norm and radius of the study, from the attacks of the worst case."""
        row = self.tidy[self.tidy["name"] == "worst"].iloc[0]
        return row["norm"], float(row["eps"])

    def network(self, run: str, which: str = "best"):
        """The defense object and the trained model of a variant's first seed."""
        from redoubt.config import find_run
        from redoubt.training.checkpoints import Checkpoints

        _, variant = find_run(self.root, f"{self.study}/{run}")
        kept = Checkpoints(self.root, variant.run(variant.seeds[0]))
        return kept.defense, kept.load(which)

    def images(self, n: int):
        """The first n test images (N, C, H, W) in [0, 1], and their labels."""
        from redoubt import data

        x, y = data.load(self.root / "data" / self.study).split("test").tensors()
        return data.to_float(x[:n]), y[:n]


def _span(counts: Collection[int]) -> str:
    """`3` or `1 to 3`."""
    return " to ".join(str(c) for c in sorted({min(counts), max(counts)}))
