"""The papers' tables and ablations, from the studies' own runs: rows of chosen variants, columns of attacks and NRR.

`redoubt.reports.exhibits` says which table of which paper each one is.
"""

import fnmatch
from dataclasses import dataclass

import pandas as pd

from redoubt.reports.accuracies import accuracy_table
from redoubt.statistics.intervals import nrr

PROTOCOL = ("clean", "fgsm", "pgd50", "pgd20_eot10", "screen", "autoattack", "worst", "worst_shared")
SHORT = ("clean", "pgd50", "pgd20_eot10", "worst")


@dataclass(frozen=True)
class Chosen:
    """A table of chosen variants.

    Attributes:
        caption: what it shows.
        variants: regular expressions of `defense/variant`; a study has the table if it has the first.
        attacks: patterns of the evaluations that are its columns, in their order; the others stand in `evidence`.
        balance: whether NRR and SUM are columns too.
    """

    caption: str
    variants: tuple[str, ...]
    attacks: tuple[str, ...] = PROTOCOL
    balance: bool = False


BASELINES = ("pgd_at/main", "trades/main", "mart/main")
CHOSEN = {
    "uiat_main": Chosen("UIAT beside other adversarial training.", ("uiat/main", *BASELINES)),
    "uiat_ablations": Chosen(
        "Every variant of UIAT: one component left out or replaced, or one value changed.",
        ("uiat/(?!main).*", "uiat/main"),
        SHORT,
    ),
    "uiat_single_step": Chosen(
        "Single-step training alone, with UIAT, and with UIAT whose perturbations are frozen after one epoch.",
        ("(fgsm_rs|n_fgsm)/uiat", "(fgsm_rs|n_fgsm)/.*"),
        SHORT,
    ),
    "cure_main": Chosen(
        "CURE beside its baselines (its tables 1, 2 and 8).",
        ("cure/main", "cure_eff/main", *BASELINES),
        balance=True,
    ),
    "cure_eff": Chosen(
        "CURE, and CURE_Eff without a separate natural training (its table 4).",
        ("cure_eff/.*", "cure/main"),
        balance=True,
    ),
    "cure_pretrained": Chosen(
        "Baselines started from naturally trained weights (CURE's table 5).",
        ("(pgd_at|trades)/.*st_pretrained", "cure/main", *BASELINES[:2]),
        SHORT,
        balance=True,
    ),
    "cure_components": Chosen(
        "CURE with and without conservation (RGP), consistency and revision (its table 7).",
        ("cure/no_.*", "cure/main", "cure/rgp_.*", "cure/revision_.*", "cure/strict_conservation"),
        SHORT,
        balance=True,
    ),
    "cure_sensitivity": Chosen(
        "CURE by p, alpha, gamma and the weight of the KL term (its table 10).",
        ("cure/(p|alpha|gamma|beta)_.*", "cure/main"),
        SHORT,
        balance=True,
    ),
    "afd_main": Chosen(
        "AFD beside other fine-tuning and adversarial training (its tables 1 and 2).",
        ("afd/main", "(vaft|arrest|afkd|rift)/main", "standard/main", *BASELINES[:2]),
        (*PROTOCOL, "knows_d2", "both_branches", "feature_gap"),
    ),
    "afd_ablations": Chosen(
        "Every variant of AFD and of the other fine-tuning.",
        ("afd/(?!main).*", "(afd|vaft|arrest|afkd|rift)/.*"),
        SHORT,
    ),
    "atop_main": Chosen(
        "The purifier before and after AToP, beside adversarial training (its tables 2 and 4).",
        ("atop/main", "purifier/main", "standard/main", "pgd_at/main"),
        ("clean", "oblivious", "pgd50", "pgd20_eot10", "l2", "stadv", "square", "worst"),
    ),
    "atop_transforms": Chosen(
        "Random transforms, the purifier alone and tuned by AToP (its tables 7 and 8).",
        ("(purifier|atop)/rt[13]", "(purifier|atop)/(main|no_transform)"),
        ("clean", "oblivious", "pgd20_eot10", "worst"),
    ),
    "atop_protocols": Chosen(
        "AToP and the purifier before it by what the attacker knows; `every` rows count an image "
        "where all draws are right.",
        ("atop/main", "purifier/main", "atop/no_classification", "atop_transfer/.*"),
        (
            "clean",
            "oblivious_fgsm",
            "oblivious",
            "transfer",
            "square",
            "bpda_*",
            "fixed_draw",
            "pgd20_eot10",
            "pgd20_eot10_every*",
            "pgd200_eot20",
            "autoattack_rand",
            "worst",
        ),
    ),
    "atop_ablations": Chosen(
        "Every variant of AToP and its purifier.",
        ("atop/.*", "purifier/.*", "atop_transfer/.*"),
        ("clean", "oblivious", "pgd20_eot10", "worst"),
    ),
    "pssr_main": Chosen(
        "PSSR beside the network that it stands before and adversarial training.",
        ("pssr/main", "standard/main", "pgd_at/main", "trades/main"),
        (
            "clean",
            "oblivious",
            "transfer",
            "pssr_bpda_*",
            "pgd50",
            "screen",
            "autoattack",
            "pssr_stadv",
            "pssr_ddn",
            "worst",
        ),
    ),
    "pssr_ablations": Chosen(
        "Every variant of PSSR.",
        ("pssr/(?!main).*", "pssr/main"),
        ("clean", "oblivious", "oblivious_fgsm", "oblivious_stadv", "oblivious_ddn", "pgd50", "worst"),
    ),
    "cure_blocks": Chosen(
        "Adversarial training of some blocks, the others frozen (CURE's figures 2(b) and 11).",
        ("block_freezing/.*", "standard/main", "pgd_at/main"),
        SHORT,
        balance=True,
    ),
}
COLUMNS = "Percent, as in `main`; evaluations that are no column here stand in `evidence`."
BALANCE = "NRR and SUM are of natural accuracy and the worst case, from means over seeds."


def ratios(tidy: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """NRR (CURE, equation 9) and SUM (its table 8) of natural accuracy and the worst case, from means over seeds."""
    wide = _means(tidy, by).reset_index()
    pairs = list(zip(wide["clean"], wide["worst"], strict=True))
    return wide[by].assign(NRR=[f"{nrr(*p):.1f}" for p in pairs], SUM=[f"{sum(p):.1f}" for p in pairs])


def _means(tidy: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Natural accuracy and the worst case in percent, means over seeds: a row each of `by`, columns clean and worst."""
    shares = tidy[tidy["name"].isin(["clean", "worst"])]
    shares = shares.assign(accuracy=[100 * c.mean() for c in shares["correct"]])
    return shares.pivot_table(index=by, columns="name", values="accuracy", sort=False)


def build(tidy: pd.DataFrame) -> list[tuple[str, str, pd.DataFrame, list[str]]]:
    """Name, caption, formatted cells and the result records behind them of each table; cells may be empty."""
    by = ["study", "defense", "variant"]
    found = []
    for name, table in CHOSEN.items():
        rows = chosen(tidy, table)
        cells = accuracy_table(rows, by, columns(rows, table.attacks)) if len(rows) else rows
        if len(rows) and table.balance:
            cells = cells.merge(ratios(rows, by), on=by, how="left")
        caption = " ".join([table.caption, COLUMNS, *([BALANCE] if table.balance else [])])
        found.append((name, caption, cells, _files(rows)))
    swept = tidy[tidy["name"].str.startswith("strength@")].sort_values("eps", kind="stable")
    swept = swept.assign(name=[f"radius {v:.4g}" for v in swept["eps"]])
    about = "Accuracy in percent under PGD by radius (UIAT's attack strength sweep; CURE's figure 5(b))."
    cells = accuracy_table(swept, by, list(dict.fromkeys(swept["name"]))) if len(swept) else swept
    found.append(("uiat_strength", about, cells, _files(swept)))
    about = "Seconds of a training, without that of the weights it starts from, beside natural accuracy and worst case."
    found.append(("cost", about, cost(tidy), _files(tidy)))
    return found


def columns(rows: pd.DataFrame, patterns: tuple[str, ...]) -> list[str]:
    """The evaluations of these rows that match a pattern, in the order of the patterns."""
    names = list(dict.fromkeys(rows["name"]))
    return list(dict.fromkeys(n for p in patterns for n in fnmatch.filter(names, p)))


def _files(rows: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys(rows["file"]))


def chosen(tidy: pd.DataFrame, table: Chosen) -> pd.DataFrame:
    """The rows of `results.frame` that a table shows, in their order."""
    run = tidy["defense"] + "/" + tidy["variant"]
    has = tidy[run.str.fullmatch(table.variants[0])]["study"].unique()
    # A sweep of radii has tables of its own, and the numbers of lost epochs stand in `best_last`.
    plain = ~tidy["name"].str.contains("@|_last")
    return tidy[run.str.fullmatch("|".join(table.variants)) & tidy["study"].isin(has) & plain]


def cost(tidy: pd.DataFrame) -> pd.DataFrame:
    """Seconds of each training, relative to PGD-AT's, beside what it bought."""
    once = tidy[tidy["name"].isin(["clean", "worst"])].copy()
    by = ["study", "defense", "variant"]
    mean = _means(tidy, by)
    seconds = once.groupby(by, sort=False)["training_seconds"].agg(["mean", "std", "count"])
    rows = []
    for keys, s in seconds.iterrows():
        base = (keys[0], "pgd_at", "main")
        rows.append(
            {
                **dict(zip(by, keys, strict=True)),
                "seeds": int(s["count"]) // 2,
                "training (s)": f"{s['mean']:.1f}",
                "times PGD-AT": f"{s['mean'] / seconds.loc[base, 'mean']:.2f}"
                if base in seconds.index
                else "",
                "clean": f"{mean.loc[keys, 'clean']:.1f}",
                "worst": f"{mean.loc[keys, 'worst']:.1f}",
            }
        )
    return pd.DataFrame(rows)


def listed(exhibits: list[dict]) -> pd.DataFrame:
    """Each exhibit of the papers: where it is made, or why not."""
    rows = []
    for e in exhibits:
        made = ", ".join(f"{study} ({file.split('/')[-1]})" for study, file in e["made"].items())
        rows.append(
            {
                "paper": e["paper"],
                "there": e["number"],
                "exhibit": e["title"],
                "kind": e["kind"],
                "made": made or "no",
                "why not": "" if made else "; ".join(dict.fromkeys(e["why_not"].values())),
            }
        )
    return pd.DataFrame(rows)
