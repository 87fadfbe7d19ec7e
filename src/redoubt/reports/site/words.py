"""What the words of verdicts and statuses mean, as the pages tell it."""

VERDICTS = {
    "reproduced": "our number is within the tolerance of the paper's, or the paper's lies in our interval",
    "direction holds": "every comparison of the claim came out as the paper says, with its whole interval",
    "not told apart": "no comparison contradicts the claim, and at least one interval reaches over the bound: more "
    "images or seeds could decide",
    "direction fails": "the whole interval of at least one comparison lies on the side that the paper excludes",
    "lower": "our number is below the paper's by more than tolerance and interval",
    "higher: check the attack": "our number is above the paper's: a stronger attack has to fail before that counts",
    "flagged": "a validity check of a run behind it failed: the numbers may not be believed yet",
    "not comparable": "the paper's number is of another data set, network, radius or attack than any run here",
    "not run": "no run here tests it",
}
# Of claims/*.yaml: a word -> a tag, and what it says of the evidence.
STATUSES = {
    "supported": ("supported by the paper's tables", "the authors' own public numbers support the claim"),
    "contradicted": (
        "contradicted by the paper's own tables",
        "the paper's tables contradict it, wholly or in part",
    ),
    "direction": ("no number known", "the paper claims it; no number of it is known that could be checked"),
    "ours": ("ours: a control", "no paper claims it; this replication asks it to say what a claim means"),
    "control": ("ours: a control", "no paper claims it; this replication asks it to say what a claim means"),
    "figure": ("shown in a figure only", "there is no printed number to hold against"),
    "digitized": ("read off a curve", "a number that was read off a figure"),
    "reported": ("printed by the paper", "a printed number, without spread or seeds"),
    "rerun": ("a baseline, run by the authors", "a printed number of a baseline that the authors ran"),
    "copied": ("a baseline, copied", "a printed number of a baseline, taken from elsewhere"),
    "rebuttal": ("from the review thread", "told in the public review discussion"),
    "inconsistent": ("inconsistent in the paper", "the printed number does not follow from the others"),
    "third_party": ("a number of others", "measured by neither the authors nor us"),
    "code_log": ("from the authors' log", "a number of the log beside the authors' code"),
    "memory": ("remembered, no source", "no source was seen: never a target"),
    "anchor": ("an anchor", "a number that our own baselines can be held against"),
    "cost": ("a cost as reported", "seconds that the authors report"),
    "published": ("published with the weights", "printed by the makers of the weights or of the attack"),
    "proven": ("proven", "a lower bound that no attack can undercut"),
    "context": ("context", "the attack's settings are not known, or it is not ours"),
    "not_tested": ("not tested", "nothing here can decide it"),
}


def tags(claim: dict) -> list[tuple[str, str, str]]:
    """(style, tag, meaning) of a claim's status, and whether its source was seen."""
    status = str(claim.get("status") or "")
    tag, meaning = STATUSES.get(status, (status.replace("_", " "), ""))
    style = {"contradicted": "warn", "ours": "own", "control": "own"}.get(status, "")
    found = [(style, tag, meaning)] if tag else []
    if "unverified" in str(claim.get("source") or ""):
        found.append(("warn", "unverified", f"source: {claim['source']}"))
    return found
