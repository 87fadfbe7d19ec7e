"""CURE's exhibits, by the numbers of arXiv 2401.14948v1."""

from redoubt.reports.exhibits.base import Exhibit

PAPER = "CURE"
U = "block_freezing/u_*"
EXHIBITS = (
    Exhibit(
        "cure_claims", PAPER, "claims", "The comparisons behind its claims",
        "Each claim that a run can test is judged by a rule that was written before the runs.",
        needs=("cure/main",),
    ),
    Exhibit(
        "cure_main", PAPER, "tables 1, 2 and 8", "CURE beside its baselines, with NRR and SUM",
        "CURE has the best natural-robustness ratio of all methods compared.",
        kind="table", needs=("cure/main", "trades/main"),
    ),
    Exhibit(
        "best_last", PAPER, "table 3", "Best against last weights",
        "CURE's last weights are as robust as its best ones; AT loses more than five points.",
        kind="table", needs=("cure/main",), faces=("*_last",),
    ),
    Exhibit(
        "cure_eff_table", PAPER, "table 4", "CURE and CURE_Eff",
        "CURE_Eff, without a separate natural training, comes close to CURE.",
        kind="table", needs=("cure/main", "cure_eff/*"),
    ),
    Exhibit(
        "cure_pretrained", PAPER, "table 5", "Baselines started from naturally trained weights",
        "Starting from natural weights does not explain CURE's gain.",
        kind="table", needs=("cure/main", "*/st_pretrained"),
    ),
    Exhibit(
        "cure_deeper", PAPER, "table 6", "ResNet-50 and ResNet-101",
        "CURE's gain holds on deeper networks; the authors call these numbers preliminary.",
        kind="table", why_not="no study trains ResNet-50 or ResNet-101: about 60 GPU hours for preliminary numbers",
    ),
    Exhibit(
        "cure_components", PAPER, "table 7", "RGP and revision, on and off",
        "Both parts are needed: either alone is worse than both.",
        kind="table", needs=("cure/main", "cure/no_rgp*"),
    ),
    Exhibit(
        "cure_sensitivity", PAPER, "table 10", "Sensitivity to p, alpha and gamma",
        "A larger alpha trades robustness for natural accuracy; a smaller p does the opposite.",
        needs=("cure/main", "cure/p_*"),
    ),
    Exhibit(
        "cure_sensitivity_table", PAPER, "table 10", "Sensitivity to p, alpha and gamma",
        "As in the figure.", kind="table", needs=("cure/main", "cure/p_*"),
    ),
    Exhibit(
        "cure_tradeoff", PAPER, "figures 1 and 5(a)", "Natural against robust accuracy, with lines of equal NRR",
        "CURE lies above and to the right of AT, TRADES and MART.",
        needs=("cure/main", "trades/main"),
    ),
    Exhibit(
        "cure_blocks", PAPER, "figures 2(b) and 11", "Which blocks are trained adversarially",
        "Training early blocks alone hurts both accuracies; U-23 has the best balance.",
        needs=(U,),
    ),
    Exhibit(
        "cure_blocks_table", PAPER, "figures 2(b) and 11", "Which blocks are trained adversarially",
        "As in the figure.", kind="table", needs=(U,),
    ),
    Exhibit(
        "cure_cka", PAPER, "figures 3 and 12", "CKA of natural and adversarial representations, layer by layer",
        "A naturally trained network represents the two differently; late-block variants and CURE keep them close.",
        needs=("standard/main", "pgd_at/main", "cure/main"), reads="weights",
    ),
    Exhibit(
        "cure_block_curves", PAPER, "figure 4", "Robust validation accuracy of the block study by epoch",
        "U-34 overfits, U-23 has the flattest curve, early blocks stay low.",
        needs=(U,), reads="records",
    ),
    Exhibit(
        "cure_strength", PAPER, "figure 5(b)", "Accuracy under PGD-20 by radius",
        "CURE is above AT, TRADES and MART at every radius.",
        needs=("cure/main", "pgd_at/main"), faces=("strength@*",),
    ),
    Exhibit(
        "cure_curves", PAPER, "figure 5(c)", "Robust validation accuracy by epoch",
        "AT falls after the learning rate does; CURE does not.",
        needs=("cure/main", "pgd_at/main"), reads="records",
    ),
    Exhibit(
        "cure_gradients", PAPER, "figure 6(a)", "Mean gradient magnitude by block",
        "CURE's gradients are smaller than those of adversarial training in every block.",
        needs=("cure/main",), reads="records",
    ),
    Exhibit(
        "cure_gradients_at_the_end", PAPER, "figure 6(a)", "Gradient magnitude of trained networks by block",
        "As in figure 6(a), on the trained weights, so that AT and TRADES stand beside CURE.",
        needs=("cure/main", "pgd_at/main"), reads="weights",
    ),
    Exhibit(
        "cure_updated", PAPER, "figures 6(b) and 10", "Share of weights updated by block",
        "The share differs by layer and by phase of the training.",
        needs=("cure/main",), reads="records",
    ),
    Exhibit(
        "cure_corruptions", PAPER, "figures 7 and 9", "Accuracy under common corruptions",
        "CURE is more accurate than AT and TRADES in all four groups of corruptions.",
        needs=("cure/main", "pgd_at/main"), faces=("corruption",),
    ),
    Exhibit(
        "cure_smallest", PAPER, "figure 8", "The smallest perturbation that fools each model",
        "CURE's images need a larger perturbation than those of AT and TRADES.",
        needs=("standard/main", "pgd_at/main", "cure/main"), reads="weights",
    ),
)  # fmt: skip
