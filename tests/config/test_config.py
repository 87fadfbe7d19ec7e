"""A configuration is right, or the error says where it is wrong and what would be right."""

import pytest

from redoubt.config import attacks_of, documentation, load_config, load_study, named, resolve
from redoubt.errors import RedoubtError
from tests.conftest import REPO

SMOKE = (REPO / "studies" / "smoke.yaml").read_text()


def study(tmp_path, old="", new="", text=SMOKE):
    assert old in text
    path = tmp_path / "smoke.yaml"
    path.write_text(text.replace(old, new))
    return path


@pytest.mark.parametrize("path", sorted((REPO / "studies").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_study_of_the_repository_is_valid(path):
    assert resolve(load_study(path), path)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("epochs: 2", "epoch: 2", ["unknown key", "training.epoch", "did you mean: epochs"]),
        ("eps: 0.1", "eps: -0.1", ["threat.eps", "-0.1", ">= 0"]),
        ("eps: 0.1", "eps: wide", ["threat.eps", "'wide'"]),
        ("seeds: [0, 1]", "seeds: [0, 0]", ["seeds must be unique", "key: seeds"]),
        ("optimizer: adam", "optimizer: adm", ["training.optimizer", "'sgd' or 'adam'", "did you mean: adam"]),
        ("  pgd_at: {params", "  pgd_ta: {params", ["unknown defense", "pgd_ta", "did you mean: pgd_at"]),
        ("name: small_cnn", "name: smal_cnn", ["unknown classifier", "did you mean: small_cnn"]),
        ("name: digits", "name: digit", ["unknown data set", "did you mean: digits"]),
        ("attack: fgsm}", "attack: fgms}", ["unknown attack", "evaluation.attacks.fgsm.attack", "did you mean: fgsm"]),
        ("{steps: 5}", "{step: 5}", ["unknown setting of pgd", "did you mean: steps"]),
        ("{steps: {value: 2", "{stepz: {value: 2", ["unknown key", "pgd_at.variants.main.params.stepz", "steps"]),
        ("{steps: {value: 2", "{steps: {value: 0", ["params.steps", ">= 1"]),
        (', source: "ours: tests"}}}', "}}}", ["a required key is missing", "params.steps.source"]),
        ("data: {name", "extra: 1\ndata: {name", ["unknown key", "extra"]),
        ("name: smoke", "name: fire", ["a study is named as its file", "fire"]),
        ("about:", "name: smoke\nabout:", ["given twice"]),
        ("seeds: [0]}}", "seeds: [0], starts_from: pgd_at/mian}}", ["to start from", "did you mean: pgd_at/main"]),
    ],
)  # fmt: skip
def test_one_readable_error(tmp_path, old, new, words):
    path = study(tmp_path, old, new)
    with pytest.raises(RedoubtError) as caught:
        load_study(path)
    for word in [*words, str(path)]:
        assert word in str(caught.value)


def test_a_start_needs_the_same_seeds(tmp_path):
    path = study(
        tmp_path, "  pgd_at: {params", "  pgd_at: {variants: {main: {starts_from: standard}}, params"
    )
    with pytest.raises(RedoubtError, match="not trained with the seeds"):
        load_study(path)


def test_unknown_study_in_config(tmp_path):
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "digits.yaml").write_text("")
    (tmp_path / "config.yaml").write_text("studies: {digit: {}}")
    with pytest.raises(RedoubtError, match="unknown study") as caught:
        load_config(tmp_path / "config.yaml")
    assert "did you mean: digits" in str(caught.value)


def test_missing_and_broken_files(tmp_path):
    with pytest.raises(RedoubtError, match="no such file"):
        load_study(tmp_path / "none.yaml")
    (tmp_path / "broken.yaml").write_text("a: [1")
    with pytest.raises(RedoubtError, match="not readable as YAML"):
        load_study(tmp_path / "broken.yaml")


def test_a_radius_may_be_a_fraction():
    assert load_study(REPO / "studies" / "cifar10.yaml").threat.eps == 8 / 255


def test_every_hyper_parameter_has_a_source():
    for path in (REPO / "studies").glob("*.yaml"):
        for variant in resolve(load_study(path)):
            assert set(variant.sources) == set(variant.params)
            assert all(variant.sources.values()), variant.path


def test_sweeps_of_radii_are_spelled_out_and_first_seed_only(tmp_path):
    text = SMOKE.replace("fgsm: {attack: fgsm}", "fgsm: {attack: fgsm, eps: [0.05, 0.1], seeds: first}")
    s = load_study(study(tmp_path, text=text))
    variant = next(v for v in resolve(s) if v.name == "pgd_at/main")
    assert list(attacks_of(s, variant, 0)) == ["fgsm@0.05", "fgsm@0.1", "pgd50"]
    assert list(attacks_of(s, variant, 1)) == ["pgd50"]


def test_schema_and_defaults_are_in_step_with_the_models():
    assert (REPO / "studies" / "schema.json").read_text() == documentation.schema(), "run `redoubt schema`"
    assert (REPO / "studies" / "defaults.md").read_text() == documentation.defaults(), "run `redoubt schema`"


def test_patterns_take_out_what_begins_with_an_exclamation_mark():
    assert named(("*", "!atop*/*"), "cure/main")
    assert not named(("*", "!atop*/*"), "atop_transfer/main")
    assert not named(("cure/*",), "uiat/main")
