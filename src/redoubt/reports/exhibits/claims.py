"""The papers' claims beside what was measured."""

from redoubt.reports.exhibits.base import Exhibit

PAPER = "across"
EXHIBITS = (
    Exhibit(
        "claim_verdicts", PAPER, "figure", "How many claims of each paper hold",
        "Every testable claim of the five papers is judged by a rule written before the runs.",
        needs=("*/main",),
    ),
    Exhibit(
        "claim_differences", PAPER, "figure", "The differences that decide the directions",
        "A direction holds where the whole interval lies on the side that the paper says.",
        needs=("*/main",),
    ),
    Exhibit(
        "claims", PAPER, "table", "Every claim with its verdict",
        "As in the figures.", kind="table", needs=("*/main",),
    ),
)  # fmt: skip
