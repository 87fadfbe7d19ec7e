"""From a cell of a table to the place that holds its record: which page, which anchor."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from redoubt.reports.site.evidence import Run

NUMBER = re.compile(r"[+\-−]?(\d|\.\d)")


@dataclass(frozen=True)
class Cell:
    """What a table shows in one place; `href` is relative to the reports folder, None where nothing is behind it."""

    text: str
    href: str | None = None
    numeric: bool = False


def anchor(kind: str, name: str) -> str:
    """The id of an element, e.g. of an attack's row: no white space, which an id must not hold."""
    return re.sub(r"\s+", "-", f"{kind}-{name}")


def to(page: str, mark: str = "") -> str:
    """An address below the reports folder; whatever its names hold is quoted."""
    return quote(page) + (f"#{quote(mark)}" if mark else "")


class Links:
    """Knows every run's page and what can be pointed at on it."""

    def __init__(self, runs: list[Run]):
        self.pages: dict[tuple[str, ...], str] = {(r.study, r.defense, r.variant): r.page for r in runs}
        self.attacks: dict[tuple[str, ...], set[str]] = {
            (r.study, r.defense, r.variant): {e["name"] for s in r.seeds for e in s.record["evaluations"]}
            | {"worst"}
            for r in runs
        }

    def run(self, path: str, mark: str = "") -> str | None:
        """The page of `study/defense/variant`, or None where there is no such run."""
        page = self.pages.get(tuple(path.split("/")))
        return to(page, mark) if page else None

    def row(self, table: str, header: list[str], cells: list[str]) -> list[Cell]:
        """The cells of one row: names lead to their run, numbers to the evaluation, check or training behind them."""
        row = dict(zip(header, cells, strict=True))
        return [
            Cell(text, self._behind(table, row, column, text), bool(NUMBER.match(text)))
            for column, text in row.items()
        ]

    def _behind(self, table: str, row: dict[str, str], column: str, text: str) -> str | None:
        key = (row.get("study", ""), row.get("defense", ""), row.get("variant") or "main")
        if column == "against":
            key = (key[0], text, "main")
        if key not in self.pages or not text:
            return None
        if column in ("defense", "variant", "against"):
            return to(self.pages[key])
        if NUMBER.match(text):
            return to(self.pages[key], self._mark(table, row, column, key))
        return None

    def _mark(self, table: str, row: dict[str, str], column: str, key: tuple[str, ...]) -> str:
        for name in ("worst" if column == "worst_shared" else column, row.get("name"), row.get("attack")):
            if name and name in self.attacks[key]:
                return anchor("attack", name)
        if row.get("check"):
            return anchor("check", row["check"])
        if column == "checks":
            return "checks"
        return "training" if table.startswith("training") else "records"


def numeric(cells: list[list[Cell]], column: int) -> bool:
    """Whether a column holds numbers, so that it is set to the right."""
    shown = [row[column] for row in cells if row[column].text]
    return bool(shown) and all(c.numeric for c in shown)


def flat(value: Any) -> str:
    """Plain data from a record as one line of text."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict):
        return ", ".join(f"{k} {flat(v)}" for k, v in value.items()) or "–"
    if isinstance(value, list | tuple):
        return ", ".join(flat(v) for v in value) or "–"
    return str(value)
