"""`redoubt verify`: every hash that the ledger and the records hold against the files that are here.

bad     a file is not what was recorded: changed, cut short, or swapped. The command then exits with 1.
stale   whole, but made with other settings or code than today's, where Snakemake would make it again, or anew since
        it was shipped.
absent  recorded and not here: `dvc pull` or `git checkout` brings it; or not there beside the finished records of its
        study.
listed  recorded and not here, and its hash is all that the repository carries: it is counted, and not named.

A hash shows damage and careless editing, not a forger who writes new hashes too: that takes `redoubt audit`, or the
history of the repository.
"""

from collections import Counter
from pathlib import Path

from redoubt.audit import recorded, reported, staleness
from redoubt.audit.dvc_ledger import ledger
from redoubt.audit.findings import Finding

PARTS = (
    ledger,
    recorded.images,
    recorded.weights,
    recorded.judged,
    recorded.missing,
    recorded.trained,
    recorded.lost,
    recorded.challenged,
    reported.reports,
    reported.audits,
)


def verify(root: Path) -> list[Finding]:
    """Every finding, in the order of PARTS."""
    staleness.forget()
    return [finding for part in PARTS for finding in part(root)]


def summary(findings: list[Finding]) -> str:
    """What is not good, a line each, and how many files of each kind are in which state."""
    lines = [f"{f.state:7}{f.file}: {f.why}" for f in findings if f.state not in ("good", "listed")]
    counts = Counter((f.kind, f.state) for f in findings)
    for kind in dict.fromkeys(f.kind for f in findings):
        states = [
            f"{counts[kind, s]} {s}" for s in ("good", "stale", "absent", "listed", "bad") if counts[kind, s]
        ]
        lines.append(f"{kind}: {', '.join(states)}")
    return "\n".join(lines or ["nothing is recorded here yet"])
