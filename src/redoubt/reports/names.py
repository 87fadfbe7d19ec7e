"""How defenses, papers and evaluations are called where people read them: figures, tables, pages.

Records and file names keep the names of the studies (`pgd_at/main`, `pgd20_eot10`); whatever is not listed here is
shown as it stands, with spaces.
"""

import re

DEFENSES = {
    "standard": "standard", "pgd_at": "PGD-AT", "trades": "TRADES", "mart": "MART", "uiat": "UIAT", "cure": "CURE",
    "cure_eff": "CURE_Eff", "afd": "AFD", "atop": "AToP", "pssr": "PSSR", "fgsm_rs": "FGSM-RS", "n_fgsm": "N-FGSM",
    "vaft": "vAFT", "arrest": "ARREST", "afkd": "AFKD", "rift": "RiFT", "purifier": "purifier",
    "atop_transfer": "AToP, other classifier",
}  # fmt: skip
# The papers that are judged, in the order of the pages.
PAPERS = {
    "2211.00525": "UIAT", "2401.14948": "CURE", "2401.14707": "AFD", "2401.16352": "AToP", "2402.00304": "PSSR",
}  # fmt: skip
ATTACKS = {
    "clean": "natural", "worst": "worst case", "fgsm": "FGSM", "screen": "APGD, 2 losses", "autoattack": "AutoAttack",
    "autoattack_rand": "AutoAttack, rand", "square": "Square",
    "apgd_ce": "APGD-CE", "apgd_dlr": "APGD-DLR", "apgd_t": "APGD-T", "fab_t": "FAB-T", "pgd_restarts": "PGD, restarts",
    "pgd_targets": "PGD, targeted margin", "cw100": "C&W-100", "cw40": "C&W-40",
    "stadv": "StAdv", "pssr_stadv": "StAdv", "ddn": "DDN", "pssr_ddn": "DDN",
    "l2": "PGD, l2", "cw": "C&W", "oblivious": "oblivious PGD", "oblivious_fgsm": "oblivious FGSM",
    "oblivious_cw": "oblivious C&W", "oblivious_stadv": "oblivious StAdv", "oblivious_ddn": "oblivious DDN",
    "transfer": "transferred", "transfer_twin": "transferred from a twin", "bpda_identity": "BPDA, identity",
    "pssr_bpda_identity": "BPDA, identity", "bpda_mask": "BPDA, mask", "pssr_bpda_mask": "BPDA, mask",
    "bpda_untransformed": "BPDA, no transform", "fixed_draw": "one draw, fixed", "relaxed": "softened mask",
    "mask_steering": "steered mask",
}  # fmt: skip
PATTERNS = (
    (r"pgd(\d+)_eot(\d+)", r"PGD-\1, \2 draws"),
    (r"pgd(\d+)", r"PGD-\1"),
    (r"eot_(\d+)", r"PGD-20, \1 draws"),
    (r"strength\w*@(.+)", r"PGD, radius \1"),
    (r"inverse@(.+)", r"inverse, radius \1"),
    (r"radius (.+)", r"PGD, radius \1"),
)
ENDINGS = {"_last": ", last weights", r"_every10": ", right in all 10 draws"}


def label(name: str) -> str:
    """`uiat/no_momentum` -> `UIAT no momentum`; a main variant is called by its defense."""
    defense, _, of = name.partition("/")
    called = DEFENSES.get(defense, defense)
    if defense == "block_freezing":
        blocks, _, how = of.removeprefix("u_").partition("_")
        return f"U-{blocks} {how.replace('_', ' ')}".strip()
    return called if of in ("main", "") else f"{called} {of.replace('_', ' ')}"


def attack(name: str) -> str:
    """`pgd20_eot10` -> `PGD-20, 10 draws`; an ending of an evaluation's name is put in words."""
    for ending, words in ENDINGS.items():
        if name.endswith(ending):
            return attack(name.removesuffix(ending)) + words
    if name in ATTACKS:
        return ATTACKS[name]
    for pattern, words in PATTERNS:
        if re.fullmatch(pattern, name):
            return re.sub(pattern, words, name)
    return name.replace("_", " ")
