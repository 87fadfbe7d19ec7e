"""AToP's exhibits. The body of the paper was not available: numbers are those that its reviews and code name."""

from redoubt.reports.exhibits.base import Exhibit

PAPER = "AToP"
PAIR = ("atop/main", "purifier/main")
EXHIBITS = (
    Exhibit(
        "atop_claims", PAPER, "claims", "The comparisons behind its claims",
        "Each claim that a run can test is judged by a rule that was written before the runs.",
        needs=("atop/main",),
    ),
    Exhibit(
        "atop_comparison", PAPER, "table 1", "Adversarial training, purification and AToP in words",
        "A qualitative comparison without numbers.",
        kind="table", why_not="it has no numbers; the protocol figure of the overview compares them by measurement",
    ),
    Exhibit(
        "atop_main", PAPER, "tables 2 and 4", "The purifier before and after AToP, beside adversarial training",
        "With AToP the same purifier is 13 points more robust on CIFAR-10 and 5 on CIFAR-100 under AutoAttack.",
        kind="table", needs=PAIR,
    ),
    Exhibit(
        "atop_unseen", PAPER, "tables 3 and 5", "Attacks that training has not seen: l2 and spatial",
        "AToP generalizes to attacks that it was not tuned on, because of the random transform.",
        needs=PAIR, faces=("stadv", "l2"),
    ),
    Exhibit(
        "atop_purifiers", PAPER, "table 6", "The inpainter and the masked autoencoder, before and after AToP",
        "AToP helps either purifier; the GAN-trained one is the better.",
        needs=("atop/mae", "purifier/mae"),
    ),
    Exhibit(
        "atop_transforms", PAPER, "tables 7 and 8", "RT1, RT2 and RT3, before and after AToP",
        "RT1 alone is broken, RT2 is the best, RT3 has lower natural accuracy and the smallest gap; "
        "AToP helps all three.",
        needs=("atop/main", "atop/rt1", "purifier/rt1"),
    ),
    Exhibit(
        "atop_transforms_table", PAPER, "tables 7 and 8", "RT1, RT2 and RT3, before and after AToP",
        "As in the figure.", kind="table", needs=("atop/main", "atop/rt1", "purifier/rt1"),
    ),
    Exhibit(
        "atop_protocols", PAPER, "OpenReview, protocol tables", "What an attacker knows of the system",
        "Tables 7 and 8 attack the classifier alone; with the full gradient RT2 and AToP keep less, "
        "above 60 % on 64 images.",
        needs=PAIR, faces=("oblivious",),
    ),
    Exhibit(
        "atop_protocols_table", PAPER, "OpenReview, protocol tables", "What an attacker knows of the system",
        "As in the figure.", kind="table", needs=PAIR, faces=("oblivious",),
    ),
    Exhibit(
        "atop_draws", PAPER, "OpenReview, PGD and EOT", "Accuracy by the number of draws of a gradient",
        "The authors attack with 10 and 20 draws.",
        needs=PAIR, faces=("eot_*",),
    ),
    Exhibit(
        "atop_pixels", PAPER, "figures of the examples (a, b, c)", "Input, noised, masked and purified",
        "A purified adversarial image looks like the natural one.",
        needs=("atop/main",), reads="weights",
    ),
    Exhibit(
        "atop_masks", PAPER, "OpenReview, fixed mask", "Random masks, one mask a batch and one mask for all",
        "Fresh masks are more robust than a fixed one when the classifier alone is attacked (84.8 against 79.1).",
        needs=("atop/main", "atop/fixed_mask"),
    ),
    Exhibit(
        "atop_transfer_figure", PAPER, "table 4", "The purifier before a classifier that it was not tuned with",
        "A purifier tuned with one classifier protects another one.",
        needs=("atop_transfer/main", "atop_transfer/no_atop"),
    ),
    Exhibit(
        "atop_sensitivity", PAPER, "not in the paper's public sources", "Weight of the classification term",
        "The released code uses 0.05 on CIFAR-10 and 0.1 on ImageNette.",
        needs=("atop/main", "atop/lam_*"),
    ),
    Exhibit(
        "atop_ablations", PAPER, "ablations", "Every variant of AToP and of the purifier before it",
        "Paper and released code differ in target, GAN term, attack and range; each difference is a row.",
        kind="table", needs=("atop/main",),
    ),
    Exhibit(
        "atop_surface", PAPER, "three-dimensional figure of the code", "Distance of natural and "
        "adversarial input by missing rate and masks",
        "More missing and more mixed masks bring the two inputs together.",
        why_not="only a notebook of the code has it, and whether it stands in the paper is not known",
    ),
)  # fmt: skip
