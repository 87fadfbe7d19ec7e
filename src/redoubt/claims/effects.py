"""Records -> what each deviation from the authors' code does: the key `effect` of docs/fidelity/*.yaml.

`redoubt effects` measures all of them on the records that are here. A deviation whose variant has no record keeps what
stands in its file.
"""

import re
from pathlib import Path

import pandas as pd

from redoubt.claims.directions import rounded
from redoubt.claims.fidelity import Deviation, Effect, Method, load, load_all
from redoubt.errors import RedoubtError
from redoubt.records.files import write_whole
from redoubt.records.results import alike, common
from redoubt.statistics.intervals import paired_difference

STANDS = re.compile(r"\beffect: *(?:null|\[\{.*\}\])")
ATTACK = "worst"


def measure(deviation: Deviation, tidy: pd.DataFrame) -> list[Effect]:
    """Each variant's accuracy minus that of what it is held against, image by image over the seeds that both have.

    Worst cases are over the main attacks that both faced, where these are more than natural images.

    Args:
        tidy: `results.frame`. For each variant the study with the most common seeds counts, the deviation's own first.

    Returns:
        One for each variant that some study has beside what it is held against.
    """
    best, studies = [], dict.fromkeys([*deviation.studies, *tidy["study"]])
    for pair in deviation.pairs:
        found = filter(None, (_on(study, *pair, tidy) for study in studies))
        best += sorted(found, key=lambda e: -e.seeds)[:1]
    return best


def write(folder: Path, tidy: pd.DataFrame) -> list[str]:
    """Writes what was measured into the files and leaves every other character as it is.

    Returns:
        `method: key` of the deviations that were measured.

    Raises:
        RedoubtError: no record at all, or a file in which not every deviation has the key `effect`: null, or a list on
            one line.
    """
    if tidy.empty:
        raise RedoubtError("there is no result record to measure on", hint="make reports")
    done = []
    for path, method in load_all(folder).items():
        found = {d.key: measure(d, tidy) for d in method.deviations}
        text = _with(path, path.read_text(encoding="utf-8"), method, found)
        write_whole(path, text.encode())
        load(path)
        done += [f"{method.method}: {key}" for key, e in found.items() if e]
    return done


def _on(study: str, variant: str, against: str, tidy: pd.DataFrame) -> Effect | None:
    rows = tidy[tidy["study"] == study]
    sides = [rows[rows["defense"] + "/" + rows["variant"] == run] for run in (variant, against)]
    worst = [side[side["name"] == ATTACK] for side in sides]
    both = common(*(alike(*sides) or worst))  # a variant may face fewer attacks than the main one
    if both is None:
        return None
    x, y = both
    found = paired_difference(x, y)
    points = [rounded(100 * v) for v in (found.value, found.low, found.high)]
    seeds, n = x.shape
    about = {"variant": variant, "against": against, "study": study, "attack": ATTACK}
    return Effect(**about, points=points[0], interval=points[1:], seeds=seeds, n=n)


def _with(path: Path, text: str, method: Method, found: dict[str, list[Effect]]) -> str:
    places = list(STANDS.finditer(text))
    if len(places) != len(method.deviations):
        raise RedoubtError(
            "every deviation needs the key effect, and no other text may look like it",
            file=path, key="deviations", value=len(places), allowed=f"{len(method.deviations)} times",
            hint="write `effect: null`",
        )  # fmt: skip
    for place, d in reversed(list(zip(places, method.deviations, strict=True))):
        if found[d.key]:
            new = f"effect: [{', '.join(map(_flow, found[d.key]))}]"
            text = text[: place.start()] + new + text[place.end() :]
    return text


def _flow(e: Effect) -> str:
    """An effect as YAML on one line."""
    fields = {**e.model_dump(), "interval": list(e.interval)}
    return "{" + ", ".join(f"{k}: {v}" for k, v in fields.items()) + "}"
