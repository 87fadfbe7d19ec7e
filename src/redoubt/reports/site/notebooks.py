"""Executed notebooks as pages of the site: their text, their figures from `reports/figures`, links to their tables.

Text is Markdown without HTML in it, so that nothing that a record holds becomes markup. Code stays in the notebook,
which each page links to.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from markupsafe import Markup

from redoubt.records.files import read_json

SHOWS = "redoubt"  # in the metadata of an output: which figure or table it is (`figures.gallery`)
MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")


@dataclass(frozen=True)
class Part:
    """A stretch of text as HTML, or the name of a figure or of a table."""

    kind: str
    content: str


@dataclass(frozen=True)
class Notebook:
    """One executed notebook.

    Attributes:
        file: relative to the reports folder.
        parts: what its page shows, in order.
    """

    file: str
    title: str
    parts: list[Part]

    @property
    def name(self) -> str:
        return Path(self.file).stem

    @property
    def page(self) -> str:
        return f"site/notebooks/{self.name}.html"


def read(reports: Path, file: str) -> Notebook:
    """A notebook below the reports folder.

    Raises:
        RedoubtError: it is not JSON.
    """
    parts: list[Part] = []
    for cell in read_json(reports / file, "snakemake reports/all_figures")["cells"]:
        if cell["cell_type"] == "markdown":
            parts.append(_text(cell["source"]))
        parts += [p for output in cell.get("outputs", []) if (p := _output(output))]
    first = next((p.content for p in parts if p.content.startswith("<h1>")), "")
    title = Markup(first.partition("</h1>")[0]).striptags() or Path(file).stem
    return Notebook(file, title, parts)


def _text(source: str | list[str]) -> Part:
    return Part("text", Markup(MARKDOWN.render(source if isinstance(source, str) else "".join(source))))


def _output(output: dict[str, Any]) -> Part | None:
    known = output.get("metadata", {}).get(SHOWS, {})
    for kind in ("figure", "table"):
        if kind in known:
            return Part(kind, known[kind])
    words = output.get("data", {}).get("text/markdown")
    return _text(words) if words else None
