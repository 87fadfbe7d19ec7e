"""Claims files: every one in the repository is whole, and a mistake is named with the nearest word."""

from pathlib import Path

import pytest

from redoubt.claims import VERDICTS, load
from redoubt.claims.schema import check_names
from redoubt.config import load_study, resolve
from redoubt.errors import RedoubtError
from tests.claims.conftest import HEAD

REPO = Path(__file__).resolve().parents[2]
FILES = sorted((REPO / "claims").glob("*.yaml"))
COMPARISON = "left: cure/main, right: pgd_at/main, measure: accuracy, attack: pgd50, expect: higher"


@pytest.fixture(scope="module")
def known():
    studies = [load_study(path) for path in sorted((REPO / "studies").glob("*.yaml"))]
    attacks = []
    for study in studies:
        for name, spec in study.evaluation.attacks.items():
            if isinstance(spec.eps, tuple):
                attacks += [f"{name}@{e:.4g}" for e in spec.eps]
                attacks += [f"{name}@{e / study.threat.eps:.4g}eps" for e in spec.eps]
            else:
                attacks.append(name)
    return [v.name for study in studies for v in resolve(study)], attacks


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_every_file_is_whole_and_names_what_studies_have(path, known):
    paper = load(path)
    assert paper.claims
    check_names(path, paper, *known)


@pytest.mark.parametrize("name", ["uiat", "cure"])
def test_a_testable_direction_says_what_judges_it(name):
    text = (REPO / "claims" / f"{name}.yaml").read_text()
    for claim in load(REPO / "claims" / f"{name}.yaml").claims:
        assert not claim.test or claim.judge or f'note: "{claim.note}"' in text


def written(folder, judge, extra=""):
    path = folder / "toy.yaml"
    path.write_text(f"{HEAD}  - {{id: a, claim: c, source: p, status: s, judge: {judge}{extra}}}\n")
    return path


@pytest.mark.parametrize(
    ("old", "new", "key", "nearest"),
    [
        ("expect: higher", "expect: hihger", "claims.a.judge.0.expect", "higher"),
        ("measure: accuracy", "measure: acuracy", "claims.a.judge.0.measure", "accuracy"),
        ("measure:", "mesure:", "claims.a.judge.0.mesure", "measure"),
        ("left: cure/main", "left: cuer/main", "claims.a.judge.0.left", "cure"),
    ],
)
def test_a_wrong_word_is_named_with_its_key_and_the_nearest(tmp_path, old, new, key, nearest):
    with pytest.raises(RedoubtError) as caught:
        load(written(tmp_path, f"[{{{COMPARISON.replace(old, new)}}}]"))
    error = caught.value
    assert (str(error.file), error.key, error.nearest) == (str(tmp_path / "toy.yaml"), key, nearest)


@pytest.mark.parametrize(
    ("judge", "words"),
    [
        (f"[{{{COMPARISON}, value: 0.1}}]", "either `right` or `value`"),
        (f"[{{{COMPARISON.replace('attack: pgd50, ', '')}}}]", "`attack` belongs to"),
        (f"[{{{COMPARISON.replace('accuracy, attack: pgd50', 'overfitting')}}}]", "`attack` belongs to"),
        (f"[{{{COMPARISON.replace('accuracy', 'metric')}}}]", "`attack` belongs to"),
        ("[]", "at least one comparison"),
        (f"[{{{COMPARISON.replace('cure/main', 'cure')}}}]", "cure"),
    ],
)
def test_half_comparisons_are_refused(tmp_path, judge, words):
    with pytest.raises(RedoubtError, match=words):
        load(written(tmp_path, judge))


def test_ids_are_unique(tmp_path):
    path = written(tmp_path, "null")
    path.write_text(path.read_text() + "  - {id: a, claim: d, source: p, status: s}\n")
    with pytest.raises(RedoubtError, match="two claims have this id"):
        load(path)


@pytest.mark.parametrize(
    ("old", "new", "nearest"),
    [("cure/main", "cure/mian", "cure/main"), ("pgd50", "pdg50", "pgd50")],
)
def test_runs_and_attacks_that_no_study_has_are_named_with_the_nearest(tmp_path, known, old, new, nearest):
    path = written(tmp_path, f"[{{{COMPARISON.replace(old, new)}}}]")
    with pytest.raises(RedoubtError) as caught:
        check_names(path, load(path), *known)
    assert (caught.value.value, caught.value.nearest) == (new, nearest)


def test_the_verdicts_are_ordered_worst_first():
    assert VERDICTS[0] == "direction fails"
    assert VERDICTS[-1] == "reproduced"
