"""What a notebook holds: it shows an exhibit for each study that feeds it, and says what is missing for the others."""

import functools
from importlib import import_module
from pathlib import Path

from redoubt.records.files import read_json
from redoubt.reports.exhibits import ALL
from redoubt.reports.figures.evidence import Evidence
from redoubt.reports.figures.listing import told
from redoubt.reports.figures.style import save, style


class Gallery:
    """The exhibits of one notebook.

    Args:
        root: the folder with `reports`, `results`, `studies`.
        folder: where figures go, below root.
        notebook: its name in `redoubt.reports.exhibits.NOTEBOOKS`.
    """

    def __init__(self, root: str | Path, folder: str | Path, notebook: str):
        style()
        self.root, self.notebook = Path(root), notebook
        self.folder = self.root / folder
        listed = read_json(self.root / "reports" / "exhibits.json", "redoubt exhibits")
        self.listed = {e["name"]: e for e in listed["exhibits"]}
        self.studies = listed["studies"]

    @functools.cache  # noqa: B019 (a notebook has one gallery)
    def evidence(self, study: str) -> Evidence:
        """What is known of a study, read once."""
        return Evidence(self.root, study, self.studies[study]["runs"])

    def show(self, name: str) -> None:
        """Shows an exhibit for every study that feeds it, with what the paper says and what is seen.

        The metadata of an output names its figure or table, for `redoubt.reports.site.notebooks`.
        """
        from IPython.display import Image, Markdown, display

        exhibit, listed = ALL[name], self.listed[name]
        whose = "" if exhibit.paper == "across" else f"{exhibit.paper}, {exhibit.number}. "
        display(Markdown(f"**{exhibit.title}.** {whose}{exhibit.says}"))
        for study, file in listed["made"].items():
            if exhibit.kind == "table":
                path = self.root / "reports" / file
                text = path.read_text(encoding="utf-8") if path.is_file() else f"No rows for {study}."
                display(Markdown(text), metadata={"redoubt": {"table": path.stem}})
                break  # a table holds every study
            picture = self.draw(name, study)
            save(picture.figure, self.folder, f"{name}-{study}", told(picture.caption, picture.found))
            image = Image(str(self.folder / f"{name}-{study}.png"))
            display(image, metadata={"redoubt": {"figure": f"{name}-{study}"}})
            display(Markdown(f"{picture.caption}\n\n**What is seen.** {picture.found}"))
        for why in listed["why_not"].values():
            display(Markdown(f"Not made: {why}."))

    def draw(self, name: str, study: str):
        """The picture of an exhibit of this notebook on a study."""
        module = import_module(f"redoubt.reports.figures.{self.notebook}")
        return getattr(module, name)(self.evidence(study))
