"""What claims are judged on: result and training records by study and run, and what is missing would cost."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from redoubt.evaluation import check_table
from redoubt.records import results, trainings


@dataclass(frozen=True)
class Evidence:
    """The records of some studies.

    Attributes:
        result_files, training_files: paths as they are shown as evidence.
        reduced: studies whose budget is cut on purpose; their directions count, their numbers do not.
    """

    result_files: tuple[Path, ...]
    training_files: tuple[Path, ...] = ()
    reduced: tuple[str, ...] = ()

    @cached_property
    def tidy(self) -> pd.DataFrame:
        """`results.frame`, with the run's name in `run` and bits in `correct`."""
        tidy = results.frame(list(self.result_files))
        return tidy.assign(run=tidy["defense"] + "/" + tidy["variant"])

    @cached_property
    def records(self) -> dict[tuple[str, str], dict[int, dict[str, Any]]]:
        """(study, run) -> seed -> result record."""
        return _by_run({path: results.read(path) for path in self.result_files})

    @cached_property
    def trainings(self) -> dict[tuple[str, str], dict[int, dict[str, Any]]]:
        """(study, run) -> seed -> training record."""
        return _by_run({path: trainings.read(path) for path in self.training_files})

    @cached_property
    def _failed(self) -> dict[tuple[str, str], list[str]]:
        found: dict[tuple[str, str], list[str]] = {}
        checks = check_table.table(list(self.result_files))
        for _, c in checks[~checks["passed"].astype(bool)].iterrows():
            run = f"{c['defense']}/{c['variant']}"
            text = f"{c['check']} of {run}/seed{c['seed']} ({c['why']}: {c['value']:.4g}, limit {c['limit']:.4g})"
            found.setdefault((c["study"], run), []).append(text)
        return found

    @property
    def studies(self) -> list[str]:
        return list(dict.fromkeys(study for study, _ in self.records))

    def data_set(self, study: str) -> str:
        """The name of the images of a study that has a record."""
        records = next(of for (name, _), of in self.records.items() if name == study)
        return next(iter(records.values()))["config"]["data"]["name"]

    def radius(self, study: str, run: str) -> float:
        """The radius of the threat that a run with a record is held against."""
        return next(iter(self.records[study, run].values()))["config"]["threat"]["eps"]

    def failed(self, study: str, runs: list[str]) -> list[str]:
        """Failed validity checks of these runs, as text."""
        return [text for run in runs for text in self._failed.get((study, run), [])]

    def bits(self, study: str, run: str, name: str) -> dict[int, np.ndarray]:
        """Seed -> (n,) bool under the attack of this name; empty where the run did not face it."""
        rows = self._rows.get((study, run, name))
        return {} if rows is None else rows

    @cached_property
    def _rows(self) -> dict[tuple[str, str, str], dict[int, np.ndarray]]:
        found: dict[tuple[str, str, str], dict[int, np.ndarray]] = {}
        columns = (self.tidy[c] for c in ("study", "run", "name", "seed", "correct"))
        for study, run, name, seed, correct in zip(*columns, strict=True):
            found.setdefault((study, run, name), {})[int(seed)] = correct
        return found

    def alike(self, study: str, left: str, right: str) -> tuple[Any, Any, list[str]] | None:
        """The worst cases of two runs over the main attacks that both faced, where these are not all that they faced.

        Returns:
            Seed -> (n,) bool of either run, and the attacks; None where both faced the same, or none in common.
        """
        tidy = self.tidy[self.tidy["study"] == study]
        found = results.alike(*(tidy[tidy["run"] == run] for run in (left, right)))
        if found is None:
            return None
        whole = tidy[tidy["name"] == "worst"].set_index(["run", "seed"])["attack"]
        rows = [row for side in found for row in side.to_dict("records")]
        if all(whole[row["run"], row["seed"]] == row["attack"] for row in rows):
            return None
        x, y = ({int(r["seed"]): r["correct"] for r in side.to_dict("records")} for side in found)
        over = dict.fromkeys(
            n for row in rows for n in row["attack"].removeprefix("minimum over ").split(", ")
        )
        return x, y, list(over)

    def worst_of(self, study: str, run: str) -> str:
        """Which attacks the worst case of a run is taken over, by seed where its seeds faced different ones."""
        tidy = self.tidy
        rows = tidy[(tidy["study"] == study) & (tidy["run"] == run) & (tidy["name"] == "worst")]
        over: dict[str, list[str]] = {}
        for row in rows.to_dict("records"):
            over.setdefault(row["attack"].removeprefix("minimum over "), []).append(str(row["seed"]))
        if len(over) == 1:
            return next(iter(over))
        return "; ".join(f"{attacks} (seed {', '.join(seeds)})" for attacks, seeds in over.items())

    def files(self, study: str, runs: list[str]) -> list[str]:
        """The records behind these runs of a study."""
        every = [*self.result_files, *self.training_files]
        wanted = [f"{study}/{run}/{kind}seed" for run in dict.fromkeys(runs) for kind in ("", "training/")]
        return [p.as_posix() for w in wanted for p in every if f"/{w}" in f"/{p.as_posix()}"]

    def cost(self, study: str, run: str, seeds: int) -> str | None:
        """What a run of `seeds` seeds would take, from the recorded seconds of its defense, else of the study."""
        trained = [k for k in self.records if k[0] == study and not k[1].startswith("external/")]
        near = [k for k in trained if k[1].split("/")[0] == run.split("/")[0]] or trained
        spent = [
            r["training_seconds"] + sum(e["seconds"] for e in r["evaluations"])
            for key in near
            for r in self.records[key].values()
        ]
        if not spent:
            return None
        from_where = ", ".join(k[1] for k in near[:3]) + (", ..." if len(near) > 3 else "")
        return (
            f"{run}: about {seeds * np.mean(spent):.0f} s for {seeds} seeds on {study}, as {from_where} took"
        )


def _by_run(read: dict[Path, dict[str, Any]]) -> dict[tuple[str, str], dict[int, dict[str, Any]]]:
    found: dict[tuple[str, str], dict[int, dict[str, Any]]] = {}
    for record in read.values():
        r = record["run"]
        found.setdefault((r["study"], f"{r['defense']}/{r['variant']}"), {})[int(r["seed"])] = record
    return found
