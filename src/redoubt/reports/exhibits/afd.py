"""AFD's exhibits: figures by the names of the images in its repository, tables by their numbers."""

from redoubt.reports.exhibits.base import Exhibit

PAPER = "AFD"
MAIN = ("afd/main",)
EXHIBITS = (
    Exhibit(
        "afd_claims", PAPER, "claims", "The comparisons behind its claims",
        "Each claim that a run can test is judged by a rule that was written before the runs.",
        needs=("afd/main",),
    ),
    Exhibit(
        "afd_gap", PAPER, "figure 1(a)", "Feature gap by epoch",
        "During fine-tuning the gap of natural and adversarial features grows for vAFT, ARREST and "
        "RGKD; AFD's levels off.",
        needs=("afd/main", "vaft/main"), reads="records",
    ),
    Exhibit(
        "afd_main", PAPER, "tables 1 and 2", "AFD beside other fine-tuning and adversarial training",
        "AFD is above every other fine-tuning under PGD and AutoAttack; natural accuracy lies between AT and ARREST.",
        kind="table", needs=("afd/main", "vaft/main"),
    ),
    Exhibit(
        "afd_sensitivity", PAPER, "figure of hyper-parameters", "Accuracy by alpha, beta and gamma",
        "Accuracy moves by less than 0.6 points over the swept values.",
        needs=("afd/main", "afd/alpha_*"),
    ),
    Exhibit(
        "afd_embedding", PAPER, "figure of disentanglement", "Features before and after disentanglement, in the plane",
        "Classes of adversarial images stand apart more clearly after disentanglement.",
        needs=MAIN, reads="weights",
    ),
    Exhibit(
        "afd_branches", PAPER, "analysis", "Accuracy of intrinsic and confused features",
        "The confused features point to wrong classes: their accuracy is far below that of the intrinsic ones.",
        needs=MAIN, reads="weights",
    ),
    Exhibit(
        "afd_branches_by_epoch", PAPER, "analysis", "Accuracy of intrinsic and confused features by epoch",
        "As above, on adversarial training images while they are trained on.",
        needs=MAIN, reads="records",
    ),
    Exhibit(
        "afd_components", PAPER, "ablation table", "Every variant of AFD",
        "Disentanglement and alignment are both needed.",
        needs=("afd/main", "afd/[!m]*"),
    ),
    Exhibit(
        "afd_ablations", PAPER, "ablation table", "Every variant of AFD",
        "As in the figure.", kind="table", needs=("afd/main", "afd/[!m]*"),
    ),
    Exhibit(
        "afd_cost", PAPER, "training time", "Seconds an epoch of fine-tuning",
        "AFD adds a modest overhead in training and none at inference.",
        needs=("afd/main", "vaft/main"), reads="records",
    ),
)  # fmt: skip
