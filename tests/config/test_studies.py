"""The papers' own settings: each study holds literally what is known of a paper on that data set, and where from.

What is known stands in tests/config/studies_expected.yaml.
"""

import functools
import re
from fractions import Fraction
from itertools import chain

import pytest
import torch

from redoubt.claims.directions import at_radius, names
from redoubt.claims.schema import load_all
from redoubt.config import attacks_of, load_study, named, resolve
from redoubt.config.load import read_yaml
from redoubt.training.checkpoints import defense_of
from tests.conftest import REPO

EXPECTED = read_yaml(REPO / "tests" / "config" / "studies_expected.yaml")
STUDIES = ("cifar10", "cifar100", "svhn", "tiny_imagenet", "mnist", "imagenette")
PURIFYING = ("cifar10", "cifar100", "mnist", "imagenette")
# What an AToP system and a PSSR system face on digits, weakest first.
ATOP_SUITE = {
    "oblivious_fgsm", "oblivious", "transfer", "bpda_identity", "bpda_untransformed", "fixed_draw", "pgd20_eot10",
    "pgd20_eot10_last", "eot_1", "eot_2", "eot_5", "eot_10", "eot_20", "eot_40", "pgd200_eot20", "autoattack_rand",
    "stadv", "l2", "square",
}  # fmt: skip
PSSR_SUITE = {
    "oblivious_fgsm", "oblivious", "oblivious_cw", "oblivious_stadv", "oblivious_ddn", "transfer", "transfer_twin",
    "pssr_bpda_identity", "pssr_bpda_mask", "fgsm", "pgd50", "pgd50_last", "pgd200", "relaxed", "mask_steering",
    "pssr_stadv", "pssr_ddn", "square", "autoattack",
}  # fmt: skip


@functools.cache
def loaded(name):
    """The study and its variants by `defense/variant`."""
    study = load_study(REPO / "studies" / f"{name}.yaml")
    return study, {v.name: v for v in resolve(study)}


def value_at(held, key):
    """What stands at the dotted key of a study or of a resolved variant."""
    for part in key.split("."):
        held = held[part] if isinstance(held, dict) else getattr(held, part)
    return held


def off(expected, found):
    """Whether a value is another one; radii may be written as fractions."""
    if isinstance(expected, list):
        return len(expected) != len(found) or any(map(off, expected, found))
    if isinstance(expected, str) and re.fullmatch(r"\d+/\d+", expected):
        expected = float(Fraction(expected))
    if isinstance(expected, float):
        return not isinstance(found, float | int) or abs(expected - found) > 1e-6 * abs(expected)
    return expected != found


def mismatches(row, where, held):
    """The values of a row that are others in the study, as text."""
    return [
        f"{where} {key}: {found!r}, expected {expected!r} ({row['source']})"
        for key, expected in row["expect"].items()
        if off(expected, found := value_at(held, key))
    ]


@pytest.mark.parametrize("name", STUDIES)
def test_runs_hold_what_is_known_of_the_papers(name):
    study, variants = loaded(name)
    rows = [row for row in EXPECTED["runs"] if name in row["in"]]
    wrong = [mismatches(row, run := row.get("run"), variants[run] if run else study) for row in rows]
    assert rows
    assert not list(chain(*wrong))


@pytest.mark.parametrize("name", STUDIES)
def test_attacks_hold_what_is_known_of_the_papers(name):
    specs = {n: s.model_dump() for n, s in loaded(name)[0].evaluation.attacks.items()}
    rows = [row for row in EXPECTED["attacks"] if name in row["in"]]
    wrong = [mismatches(row, n := row["attack"], {**specs[n], **specs[n]["params"]}) for row in rows]
    assert rows
    assert not list(chain(*wrong))


@pytest.mark.parametrize("name", STUDIES)
def test_every_variant_can_be_built_takes_its_start_and_has_the_views_that_attack_it(name):
    study, variants = loaded(name)

    @functools.cache
    def built(run):
        defense = defense_of(variants[run])
        return defense, defense.build()

    for run, v in variants.items():
        with torch.device("meta"):  # shapes without memory: WRN-70-16 has 267 million parameters
            defense, model = built(run)
            if v.starts_from:
                start, source = built(v.starts_from)
                defense.initialize(model, start.deployed(source))
            views = defense.adaptive(model)
        faced = attacks_of(study, v, v.seeds[0])
        assert not {n: a.view for n, a in faced.items() if a.view not in views}, run


def test_no_attack_takes_the_first_images_of_a_set_that_lies_class_by_class():
    """ImageNette's test images are in the order of its folders: the first 64 would be of two classes."""
    evaluation = loaded("imagenette")[0].evaluation
    assert {evaluation.images, *(a.images for a in evaluation.attacks.values())} == {None}


@pytest.mark.parametrize("name", STUDIES)
def test_every_name_of_a_run_exists_and_a_start_has_the_same_classifier(name):
    _, variants = loaded(name)
    given = read_yaml(REPO / "studies" / f"{name}.yaml")
    for attack, spec in given["evaluation"]["attacks"].items():
        for pattern in spec.get("runs", ["*"]):
            assert any(named((pattern.removeprefix("!"),), run) for run in variants), (attack, pattern)
        assert spec.get("surrogate") in {None, *variants}, attack
    for v in variants.values():
        assert v.starts_from in {None, *variants}, v.path
        if v.starts_from and v.defense != "atop_transfer":  # that one puts the purifier before another one
            assert variants[v.starts_from].architecture == v.architecture, v.path


@pytest.mark.parametrize("name", PURIFYING)
def test_purified_systems_face_the_adaptive_suite(name):
    study, variants = loaded(name)
    faced = attacks_of(study, variants["atop/main"], 0)
    assert not ATOP_SUITE - set(faced)
    lk = faced["pgd200_eot20"].params
    assert (lk["steps"], lk["eot"], lk["random_start"]) == (200, 20, False)
    if "pssr/main" in variants:
        assert not PSSR_SUITE - set(attacks_of(study, variants["pssr/main"], 0))


@pytest.mark.parametrize("name", PURIFYING)
def test_random_systems_have_no_worst_case_over_attacks_of_one_draw(name):
    study, variants = loaded(name)
    for run, v in variants.items():
        if run.split("/")[0] in ("purifier", "atop", "atop_transfer"):
            faced = attacks_of(study, v, v.seeds[0])
            assert [n for n, a in faced.items() if a.role == "main"] == ["pgd20_eot10"], run


def test_directions_find_their_runs_and_attacks_on_cifar10():
    study, variants = loaded("cifar10")
    for file, paper in load_all(REPO / "claims").items():
        for claim in paper.claims:
            for c in claim.judge or ():
                for run in filter(None, (c.left, c.right)):
                    assert run in variants, (file.stem, claim.id, run)
                    at = at_radius(c, study.threat.eps)
                    wanted = set(names(at)) - {"clean", "worst"} if c.attack else set()
                    faced = attacks_of(study, variants[run], 0)
                    assert wanted <= {re.sub(r"_every\d+$", "", n) for n in faced}, (claim.id, run)


def test_numbers_find_a_run_under_their_protocol():
    plain = lambda text: "".join(c for c in text.lower() if c.isalnum())
    published = [p.stem for p in sorted((REPO / "studies").glob("published_*.yaml"))]
    seen = 0
    for file, paper in load_all(REPO / "claims").items():
        for claim in filter(lambda c: c.number, paper.claims):
            n = claim.number
            held = [loaded(name) for name in (*STUDIES, *published)]
            of = [s for s in held if plain(s[0].data.name) == plain(claim.dataset) and n.run in s[1]]
            assert len(of) == 1, (file.stem, claim.id)
            ((study, variants),) = of
            v = variants[n.run]
            assert plain(v.architecture["name"]) == plain(claim.architecture), (file.stem, claim.id)
            faced = attacks_of(study, v, v.seeds[0]).values()
            fits = [
                a.checkpoint == "best" and not a.surrogate and not off(n.eps, a.eps) and a.norm == n.norm
                for a in faced
                if a.attack == n.attack and all(a.params.get(k) == x for k, x in n.params.items())
            ]
            assert n.attack == "clean" or any(fits), (file.stem, claim.id)
            seen += 1
    assert seen


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_without_results_says_that_it_was_not_run(name):
    if not (REPO / "results" / name).exists():
        assert loaded(name)[0].about.startswith("Specified, not run")


@pytest.mark.parametrize("name", STUDIES)
def test_every_changed_schedule_says_where_it_comes_from(name):
    study = loaded(name)[0]
    silent = {"ema", "batch_size"}  # an averaged copy left out, the code's other batch size: said in `about`
    for defense, grid in study.defenses.items():
        for variant, spec in (("", grid), *grid.variants.items()):
            assert "source" in spec.training or set(spec.training) <= silent, f"{defense}/{variant}"
