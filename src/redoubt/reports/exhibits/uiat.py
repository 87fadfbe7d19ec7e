"""UIAT's exhibits. Its numbering is in no public source, so each is named by what it shows."""

from redoubt.reports.exhibits.base import Exhibit

PAPER = "UIAT"
EXHIBITS = (
    Exhibit(
        "uiat_claims", PAPER, "claims", "The comparisons behind its claims",
        "Each claim that a run can test is judged by a rule that was written before the runs.",
        needs=("uiat/main",),
    ),
    Exhibit(
        "uiat_main", PAPER, "main comparison", "UIAT beside other adversarial training",
        "UIAT keeps more accuracy than other schemes, natural and under strong attacks, on CIFAR and SVHN.",
        kind="table", needs=("uiat/main", "pgd_at/main"),
    ),
    Exhibit(
        "uiat_strength", PAPER, "attack strength sweep", "Accuracy under PGD by radius",
        "UIAT is better under weaker attacks and gives up some under larger perturbations.",
        needs=("uiat/main", "pgd_at/main"), faces=("strength@*",),
    ),
    Exhibit(
        "uiat_strength_table", PAPER, "attack strength sweep", "Accuracy under PGD by radius",
        "As in the figure.", kind="table", needs=("uiat/main", "pgd_at/main"), faces=("strength@*",),
    ),
    Exhibit(
        "confidence", PAPER, "confidence analysis", "Accuracy of surer and less sure images by radius",
        "As in the figure.", kind="table", needs=("uiat/main", "pgd_at/main"), faces=("strength@*",),
    ),
    Exhibit(
        "uiat_confidence", PAPER, "confidence analysis", "Accuracy of surer and less sure images by radius",
        "UIAT narrows the gap between examples of high and of low confidence.",
        needs=("uiat/main", "pgd_at/main"), faces=("strength@*", "inverse@*"),
    ),
    Exhibit(
        "uiat_overfitting", PAPER, "robust overfitting", "Robust validation accuracy by epoch",
        "UIAT's curve is flatter than that of adversarial training.",
        needs=("uiat/main", "pgd_at/main"), reads="records",
    ),
    Exhibit(
        "uiat_components", PAPER, "component ablation", "What each component adds",
        "Each component helps: inverse adversaries, one for each class, momentum, the regularizer.",
        needs=("uiat/main", "uiat/no_*"),
    ),
    Exhibit(
        "uiat_one_off", PAPER, "one-off timing", "When the frozen perturbations are computed",
        "Perturbations computed in one epoch and frozen lose little; the paper studies which epoch.",
        needs=("uiat/main", "uiat/one_off*"),
    ),
    Exhibit(
        "uiat_single_step", PAPER, "single-step combination", "Single-step training with and without UIAT",
        "Single-step training with UIAT is more robust at low extra cost.",
        needs=("*/uiat",),
    ),
    Exhibit(
        "uiat_single_step_table", PAPER, "single-step combination", "Single-step training with and without UIAT",
        "As in the figure.", kind="table", needs=("*/uiat",),
    ),
    Exhibit(
        "uiat_sensitivity", PAPER, "not in the paper's public sources", "Weight, inverse radius and momentum",
        "No public source states the paper's values; the sweeps show how much hangs on ours.",
        needs=("uiat/main", "uiat/lambda_*"),
    ),
    Exhibit(
        "uiat_cost", PAPER, "cost", "Seconds an epoch of UIAT and its relatives",
        "The universal form costs less than one inverse adversary for each example.",
        needs=("uiat/main", "uiat/iat"), reads="records",
    ),
    Exhibit(
        "uiat_ablations", PAPER, "component ablation", "Every variant of UIAT",
        "As in the figures.", kind="table", needs=("uiat/main", "uiat/no_*"),
    ),
)  # fmt: skip
