"""A list in an attack's settings stands for the attacks that could be written one by one, and files stay readable."""

import pytest
import yaml

from redoubt.config import attacks_of, load_study, resolve
from redoubt.errors import RedoubtError
from redoubt.evaluation.settings import evaluation_settings
from redoubt.records.files import digest
from tests.conftest import REPO

SMOKE = yaml.safe_load((REPO / "studies" / "smoke.yaml").read_text())
WIDTH = 160


def study(tmp_path, attacks):
    path = tmp_path / "smoke.yaml"
    content = {**SMOKE, "evaluation": {"attacks": attacks}}
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return load_study(path)


def pgd(eot):
    return {"attack": "pgd", "params": {"steps": 5, "eot": eot}, "draws": 2}


def test_a_sweep_is_the_attacks_written_one_by_one(tmp_path):
    fgsm, square = {"attack": "fgsm"}, {"attack": "square", "params": {"queries": 5}}
    swept = study(tmp_path, {"fgsm": fgsm, "eot": pgd([2, 1, 10]), "square": square})
    written = study(
        tmp_path, {"fgsm": fgsm, "eot_2": pgd(2), "eot_1": pgd(1), "eot_10": pgd(10), "square": square}
    )
    assert list(swept.evaluation.attacks) == ["fgsm", "eot_2", "eot_1", "eot_10", "square"]
    assert swept == written
    for variant in resolve(swept):
        assert list(attacks_of(swept, variant, 0).items()) == list(attacks_of(written, variant, 0).items())
        same = [digest(evaluation_settings(s, variant)) for s in (swept, written)]
        assert same[0] == same[1]


def test_words_end_names_and_a_setting_that_takes_a_list_keeps_it(tmp_path):
    params = {"family": ["snow", "glass_blur"], "left_out": ["fog"]}
    found = study(tmp_path, {"corruption": {"attack": "corruption", "params": params}}).evaluation.attacks
    assert {name: spec.params for name, spec in found.items()} == {
        "corruption_snow": {"family": "snow", "left_out": ["fog"]},
        "corruption_glass_blur": {"family": "glass_blur", "left_out": ["fog"]},
    }


def test_a_sweep_of_radii_may_stand_beside_a_list(tmp_path):
    s = study(tmp_path, {"eot": {**pgd([1, 2]), "eps": [0.05, 0.1]}})
    faced = attacks_of(s, resolve(s)[0], 0)
    assert list(faced) == ["eot_1@0.05", "eot_1@0.1", "eot_2@0.05", "eot_2@0.1"]
    assert (faced["eot_2@0.1"].params["eot"], faced["eot_2@0.1"].eps) == (2, 0.1)


@pytest.mark.parametrize(
    ("attacks", "words"),
    [
        ({"a": {"attack": "pgd", "params": {"steps": [1, 2], "eot": [1, 2]}}}, ["sweeps one", "a.params", "steps"]),
        ({"a": pgd([])}, ["each value once", "a.params.eot", "one value or more"]),
        ({"a": pgd([1, 1])}, ["each value once", "a.params.eot", "[1, 1]", "all different"]),
        ({"a": pgd([1, 0.5])}, ["ends the name", "a.params.eot", "0.5", "whole numbers"]),
        ({"a": pgd([-1])}, ["ends the name", "a.params.eot", "-1", "whole numbers"]),
        ({"a": pgd([1, 2]), "a_2": pgd(2)}, ["the same name", "attacks.a_2", "'a_2'"]),
        ({"a": {"attack": "pgd", "params": {"stepz": [1, 2]}}}, ["unknown setting of pgd", "did you mean: steps"]),
    ],
)  # fmt: skip
def test_a_wrong_sweep_is_one_readable_error(tmp_path, attacks, words):
    with pytest.raises(RedoubtError) as caught:
        study(tmp_path, attacks)
    for word in [*words, str(tmp_path / "smoke.yaml"), "evaluation.attacks"]:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    "path", sorted(p for f in ("studies", "claims") for p in (REPO / f).glob("*.yaml")), ids=lambda p: p.stem
)
def test_no_line_is_too_long_to_read(path):
    lines = enumerate(path.read_text(encoding="utf-8").split("\n"), 1)
    assert not [n for n, line in lines if len(line) > WIDTH]
