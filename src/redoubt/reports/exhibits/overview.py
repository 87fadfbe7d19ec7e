"""What none of the papers has: every defense under one protocol, on the same images, seeds and budget."""

from redoubt.reports.exhibits.base import Exhibit

PAPER = "across"
EXHIBITS = (
    Exhibit(
        "main", PAPER, "table", "Every defense under every attack",
        "No paper attacks the other four; here all face the same attacks on the same images.",
        kind="table", needs=("*/main",),
    ),
    Exhibit(
        "adaptive_protocol", PAPER, "figure", "Every defense under one adaptive protocol, with intervals",
        "Each paper compares itself with baselines trained by others, on images and attacks of its own.",
        needs=("*/main",),
    ),
    Exhibit(
        "clean_against_robust", PAPER, "figure", "Natural accuracy against the worst case",
        "CURE draws its figure 1 like this; the other papers print two columns.",
        needs=("*/main",),
    ),
    Exhibit(
        "training_curves", PAPER, "figure", "Validation accuracy by epoch",
        "Where a defense overfits, the curve under attack falls while the natural one rises.",
        needs=("*/main",), reads="records",
    ),
    Exhibit(
        "pairs", PAPER, "table", "Each defense minus PGD-AT and TRADES, image by image",
        "The papers compare means of their own runs with numbers that others printed.",
        kind="table", needs=("pgd_at/main", "trades/main"),
    ),
)  # fmt: skip
