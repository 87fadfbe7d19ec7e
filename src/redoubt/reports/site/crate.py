"""`reports/ro-crate-metadata.json`: what an archive has to know of the reports folder, file by file with hashes.

RO-Crate (https://w3id.org/ro/crate) of the reports folder: every file with its format, size and sha256, the papers that
are judged, the software, and the action that made the tables and figures from the records. Its date is that of the
newest record, so that equal records give an equal file.
"""

import mimetypes
from pathlib import Path
from typing import Any

from rocrate.model.contextentity import ContextEntity
from rocrate.rocrate import ROCrate

from redoubt import __version__
from redoubt.records import crate_seal
from redoubt.records.crate_seal import NAME
from redoubt.records.files import sha256, write_whole
from redoubt.reports.site import verdicts
from redoubt.reports.site.evidence import Evidence

FORMATS = {
    ".csv": "text/csv",
    ".html": "text/html",
    ".ipynb": "application/x-ipynb+json",
    ".js": "text/javascript",
    ".json": "application/json",
    ".md": "text/markdown",
    ".svg": "image/svg+xml",
    ".tex": "application/x-tex",
    "": "application/json",  # the listings all_tables and all_figures
}
TRACKED = ("README.md", "evidence")  # of `redoubt evidence`, which the site neither makes nor shows
SHA256 = "https://w3id.org/ro/terms/workflow-run#sha256"


def write(evidence: Evidence) -> None:
    """Describes what lies in the reports folder now; the site has to be written before."""
    made = crate(evidence).metadata.generate()
    write_whole(evidence.reports / NAME, crate_seal.sealed(made))


def crate(evidence: Evidence) -> ROCrate:
    """The crate, not written anywhere."""
    made = ROCrate()
    made.metadata.extra_terms["sha256"] = SHA256
    last = max(s.record["provenance"]["started"] for r in evidence.runs for s in r.seeds)
    made.name = "Redoubt: which robustness numbers hold"
    made.description = (
        "Published defenses against adversarial examples, trained and attacked again: records, tables, figures, "
        "verdicts and the pages that show them. index.html is the place to start."
    )
    made.datePublished = last
    made.keywords = ["adversarial robustness", "reproducibility", "machine learning"]
    made.license = _entity(made, "https://spdx.org/licenses/Apache-2.0", "CreativeWork", name="Apache-2.0")
    author = _entity(made, "#maintainers", "Organization", name="The Redoubt maintainers")
    made.root_dataset["author"] = author
    made.root_dataset["citation"] = [
        _entity(made, f"https://arxiv.org/abs/{p.key}", "ScholarlyArticle", name=p.title)
        for p in verdicts.papers(evidence)
        if p.arxiv
    ]
    software = _entity(
        made, "#redoubt", "SoftwareApplication", name="redoubt", version=__version__, author=author
    )
    files = {path: _file(made, evidence, path) for path in _paths(evidence.reports)}
    made.mainEntity = files["index.html"]
    records = [f for path, f in files.items() if path.startswith("site/records/")]
    results = [f for path, f in files.items() if not path.startswith("site/")]
    made.add_action(software, "#report", records, results, {"name": "snakemake", "endTime": last})
    return made


def _entity(made: ROCrate, identifier: str, kind: str, **properties: Any) -> ContextEntity:
    return made.add(ContextEntity(made, identifier, properties={"@type": kind, **properties}))


def _paths(reports: Path) -> list[str]:
    """Every file that comes with the site, relative to the folder."""
    found = sorted(p.relative_to(reports) for p in reports.rglob("*") if p.is_file())
    made = [p for p in found if p.name != NAME and p.parts[0] not in TRACKED]
    return [p.as_posix() for p in made if not any(s.startswith(".") for s in p.parts)]


def _file(made: ROCrate, evidence: Evidence, path: str) -> Any:
    source = evidence.reports / path
    kind = FORMATS.get(source.suffix) or mimetypes.guess_type(source.name)[0]
    properties = {
        "name": path,
        "encodingFormat": kind or "application/octet-stream",
        "contentSize": str(source.stat().st_size),
        "sha256": sha256(source),
    }
    captions = {("tables", t["table"]): t["caption"] for t in evidence.tables}
    captions |= {("figures", f["figure"]): f["caption"] for f in evidence.figures}
    if caption := captions.get((source.parent.name, source.stem)):
        properties["description"] = caption
    return made.add_file(source, path, properties=properties)
