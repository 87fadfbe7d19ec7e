"""PSSR's exhibits. Neither code nor numbers of the paper are public: each is named by what the summary says of it."""

from redoubt.reports.exhibits.base import Exhibit

PAPER = "PSSR"
MAIN = ("pssr/main",)
EXHIBITS = (
    Exhibit(
        "pssr_claims", PAPER, "claims", "The comparisons behind its claims",
        "Each claim that a run can test is judged by a rule that was written before the runs.",
        needs=("pssr/main",),
    ),
    Exhibit(
        "pssr_main", PAPER, "results tables", "PSSR beside adversarial training, known and unknown attacks",
        "PSSR is more robust than adversarial training and purification under known and unknown attacks.",
        kind="table", needs=MAIN,
    ),
    Exhibit(
        "pssr_attacks", PAPER, "results tables", "Accuracy under known and unknown attacks",
        "What PSSR learned on one attack carries over to others, because trivial pixels do not depend on the attack.",
        needs=("pssr/main", "standard/main"),
    ),
    Exhibit(
        "pssr_protocols", PAPER, "BPDA table", "What an attacker knows of the system",
        "PSSR keeps its robustness under adaptive BPDA; which variant of it is not known.",
        needs=MAIN, faces=("*bpda*",),
    ),
    Exhibit(
        "pssr_pixels", PAPER, "visualizations", "Saliency, salient and trivial part, regenerated image",
        "Salient pixels carry the attack, trivial ones the content, and the regenerated image looks natural.",
        needs=MAIN, reads="weights",
    ),
    Exhibit(
        "pssr_decomposition", PAPER, "finding on salient and trivial parts", "Accuracy on each part alone",
        "Salient parts alone lead to errors; trivial parts keep correct but weaker semantics.",
        needs=MAIN, reads="weights",
    ),
    Exhibit(
        "pssr_components", PAPER, "ablation on the modules", "Every variant of PSSR",
        "Surgery, extrapolator and adversarial R-Drop each contribute.",
        needs=("pssr/main", "pssr/[!m]*"),
    ),
    Exhibit(
        "pssr_ablations", PAPER, "ablation on the modules", "Every variant of PSSR",
        "As in the figure.", kind="table", needs=("pssr/main", "pssr/[!m]*"),
    ),
)  # fmt: skip
