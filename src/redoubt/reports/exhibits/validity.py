"""Whether the numbers can be believed (Carlini et al. 2019; Croce and Hein 2020): checks as figures."""

from redoubt.reports.exhibits.base import Exhibit

PAPER = "across"
EXHIBITS = (
    Exhibit(
        "checks_passed", PAPER, "figure", "Which validity checks each defense passed",
        "An evaluation that fails a check overstates robustness or measures noise.",
        needs=("*/main",),
    ),
    Exhibit(
        "attack_ordering", PAPER, "figure", "Accuracy under weaker and stronger attacks",
        "A stronger attack leaves fewer images right; an order that is turned round shows masked gradients.",
        needs=("*/main",),
    ),
    Exhibit(
        "success_by_radius", PAPER, "figure", "Accuracy by radius, down to chance",
        "Without a bound every defense breaks: a curve that stays up shows an attack that does not work.",
        needs=("*/main",), faces=("strength@*",),
    ),
    Exhibit(
        "above_the_truth", PAPER, "figure", "Published weights: the proof, our attacks, the published attack",
        "Where robustness is proven, what an attack leaves above the proof is its weakness or the proof's.",
        needs=("external/*",),
    ),
    Exhibit(
        "published", PAPER, "table", "Published weights, attacked again",
        "The same numbers as a table.",
        kind="table", needs=("external/*",),
    ),
    Exhibit(
        "checks", PAPER, "table", "Every validity check",
        "None of the papers prints one.",
        kind="table", needs=("*/main",),
    ),
)  # fmt: skip
