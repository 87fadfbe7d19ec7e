"""`reports/index.html` and `reports/site/`: static pages that open from disk, every number leading to its record.

    redoubt site results/digits/trades/main/seed0.json --record checkpoints/digits/trades/main/seed0/record.json

Beside them lies `ro-crate-metadata.json`, which describes the reports folder to archives. jinja2 escapes all text
that comes from a file; styles, scripts and copies of the records lie in `reports/site`, so that the folder is whole
when it travels without the repository.
"""

import shutil
from pathlib import Path

from redoubt.records import challenges
from redoubt.records.files import write_whole
from redoubt.reports.site import crate, pages
from redoubt.reports.site.evidence import load
from redoubt.reports.site.runs import copy_of

ASSETS = Path(__file__).parent / "assets"


def write(
    reports: Path, result_files: list[Path], record_files: list[Path], fidelity: Path | None = None
) -> None:
    """Writes every page; what an earlier call left is removed first.

    Args:
        fidelity: the folder of what equals the authors' code and what does not, one file a method.

    Raises:
        RedoubtError: a result or training record or a file of `fidelity` is broken. Missing claims, tables or figures
            are shown as missing.
    """
    evidence = load(reports, result_files, record_files, fidelity)
    shutil.rmtree(reports / "site", ignore_errors=True)
    for asset in sorted(ASSETS.iterdir()):
        write_whole(reports / "site" / asset.name, asset.read_bytes())
    for seed in (s for run in evidence.runs for s in run.seeds):
        write_whole(reports / copy_of(seed), seed.file.read_bytes())
        if seed.training_file:
            write_whole(reports / copy_of(seed, "training"), seed.training_file.read_bytes())
        for sent in challenges.files(seed.file):
            write_whole(reports / copy_of(seed, "challenges", sent.name), sent.read_bytes())
    for path, text in pages.render(evidence):
        write_whole(reports / path, text.encode())
    crate.write(evidence)
