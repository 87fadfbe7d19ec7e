"""What became of each validity check for each run: passed, failed, not made, or one that does not apply."""

import pandas as pd

STATES = ("failed", "passed", "not made", "does not apply")
RUN = ["study", "defense", "variant"]
OF_RANDOM = {"random_model_needs_eot", "probe_fixed_randomness_is_easier"}  # models that draw at random
OF_FIXED = {"probe_batch_size_changes_nothing", "probe_gradient_predicts"}  # models that do not
OF_DEFENDED = {"ablated_part_breaks"}  # an undefended network has no part to leave out


def states(checks: pd.DataFrame) -> pd.DataFrame:
    """One row a run and check that any run of its study has.

    Args:
        checks: `check_table.table`.

    Returns:
        Columns study, defense, variant, check, state, of STATES. A check that some seed failed is failed.
    """
    rows = []
    for study, of_study in checks.groupby("study", sort=False) if len(checks) else ():
        every = list(dict.fromkeys(of_study["check"]))
        for (_, defense, variant), group in of_study.groupby(RUN, sort=False):
            passed = group.groupby("check")["passed"].all()
            random = draws(group)
            for name in every:
                rows.append((study, defense, variant, name, _state(name, passed, random, defense)))
    return pd.DataFrame(rows, columns=[*RUN, "check", "state"])


def draws(checks: pd.DataFrame) -> bool:
    """Whether the checks of one run say that its model answers differently each time."""
    asked = checks[checks["check"] == "probe_random"]["value"]
    return "random_model_needs_eot" in set(checks["check"]) or bool((asked > 0).any())


def _state(name: str, passed: pd.Series, random: bool, defense: str) -> str:
    if name in passed.index:
        return "passed" if passed[name] else "failed"
    left_out = OF_FIXED if random else OF_RANDOM
    undefended = defense == "standard" and name in OF_DEFENDED
    return "does not apply" if name in left_out or undefended else "not made"
