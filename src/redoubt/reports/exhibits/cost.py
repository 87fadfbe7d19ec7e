"""Robustness against what it costs to train and to attack."""

from redoubt.reports.exhibits.base import Exhibit

PAPER = "across"
EXHIBITS = (
    Exhibit(
        "robustness_against_cost", PAPER, "figure", "Worst-case accuracy against training time",
        "UIAT and AFD speak of modest extra cost; no paper sets robustness against seconds.",
        needs=("*/main",),
    ),
    Exhibit(
        "seconds_per_epoch", PAPER, "figure", "Seconds an epoch",
        "UIAT reports its training speed beside other schemes; its numbers are in no public source.",
        needs=("*/main",), reads="records",
    ),
    Exhibit(
        "cost", PAPER, "table", "What each training took, and what it bought",
        "No paper has it for the others.",
        kind="table", needs=("*/main",),
    ),
)  # fmt: skip
