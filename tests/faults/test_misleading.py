"""An error names the key and the file that a person can change, and what has no answer is said at once."""

import pytest

from tests.faults import made_up

HEAD = 'paper: "1706.06083"\ntitle: T\nclaims:\n'
CLAIM = "  - {{id: a, claim: c, source: s, status: s, {}}}\n"
JUDGED = "judge: [{{left: {}, value: 0.1, measure: accuracy, attack: worst, expect: higher}}]"

# what stands in claims/a.yaml, what the error says
CLAIMS = {
    "judge is a number": (CLAIM.format("judge: 5"), "claims.a.judge"),
    "judge is a word": (CLAIM.format("judge: five"), "claims.a.judge"),
    "judge of numbers": (CLAIM.format("judge: [5]"), "claims.a.judge.0"),
    "number is a word": (CLAIM.format("value: 1, number: five"), "claims.a.number"),
    "claims is a word": ("  five\n", "not a file of claims"),
    "a list as a key": ("  - {[a, b]: c}\n", "not readable as YAML"),
    "a misspelled run": (CLAIM.format(JUDGED.format("pgd_at/mian")), "did you mean: pgd_at/main"),
    "a misspelled defense": (CLAIM.format(JUDGED.format("pgd_ta/main")), "did you mean: pgd_at"),
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = made_up.project(tmp_path / "project", seeds=(0,))
    (folder / "claims").mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("fault", CLAIMS)
def test_a_file_of_claims(project, redoubt, fault):
    content, words = CLAIMS[fault]
    (project / "claims" / "a.yaml").write_text(HEAD + content)
    code, said = redoubt("claims")
    assert code == 1
    assert words in said
    assert "claims/a.yaml" in said


def test_a_folder_in_the_place_of_a_file_of_claims(project, redoubt):
    (project / "claims" / "a.yaml").mkdir()
    code, said = redoubt("claims")
    assert code == 1
    assert "cannot be read" in said


def test_a_folder_of_claims_that_is_not_there(project, redoubt):
    code, said = redoubt("claims", "--folder", "/nonexistent")
    assert code == 1
    assert "--folder" in said


@pytest.mark.parametrize("given", [True, False])
def test_a_mirror_that_is_not_there(project, redoubt, given):
    """By the key that there is: `mirror` of config.yaml."""
    study = project / "studies" / "smoke.yaml"
    study.write_text(study.read_text().replace("name: digits", "name: cifar10"))
    (project / "config.yaml").write_text("studies: {smoke: {}}\nmirror: /nonexistent\n")
    code, said = redoubt("prepare", "smoke", *(("--mirror", "/none") if given else ()))
    assert code == 1
    assert "key: mirror" in said
    assert ("/none\n" if given else "/nonexistent\n") in said
