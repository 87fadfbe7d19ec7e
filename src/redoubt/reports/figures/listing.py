"""`reports/all_figures`: every figure with its caption, its hashes and the exhibit that it is."""

import hashlib
from pathlib import Path

from redoubt.records.files import write_record
from redoubt.reports.exhibits import ALL, NOTEBOOKS

_NOTEBOOK = {e.name: notebook for notebook, exhibits in NOTEBOOKS.items() for e in exhibits}


FOUND = "\n\nFound: "  # between a caption and what the figure computes


def told(caption: str, found: str) -> str:
    """A caption and the sentence that the figure computes, as one text file holds them."""
    return f"{caption}{FOUND}{found}"


def listing(folder: Path, path: Path) -> None:
    """Writes the list, in the order of the exhibits.

    Each entry has `figure` (its file's name), `caption`, `found` (the sentence that it computes), `sha256` (of svg and
    png) and, from the list of exhibits,
    `exhibit`, `study`, `notebook`, `paper`, `number`, `title` and `says`.
    """
    entries = []
    rank = {name: i for i, name in enumerate(ALL)}
    place = lambda svg: (rank.get(svg.stem.partition("-")[0], len(rank)), svg.stem)
    for svg in sorted(folder.glob("*.svg"), key=place):
        exhibit, _, study = svg.stem.partition("-")
        known = ALL.get(exhibit)
        about = {k: getattr(known, k) for k in ("paper", "number", "title", "says")} if known else {}
        caption, _, found = svg.with_suffix(".txt").read_text(encoding="utf-8").strip().partition(FOUND)
        entries.append(
            {
                "figure": svg.stem,
                "caption": caption,
                "found": found,
                "sha256": {
                    p.suffix[1:]: hashlib.sha256(p.read_bytes()).hexdigest()
                    for p in (svg, svg.with_suffix(".png"))
                },
                "exhibit": exhibit,
                "study": study,
                "notebook": _NOTEBOOK.get(exhibit),
                **about,
            }
        )
    write_record(path, {"figures": entries})
