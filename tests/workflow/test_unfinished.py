"""A study shipped before it was finished: what was made since counts, and what was only trained is no obstacle."""

import shutil

import pytest

from redoubt.config import load_study, resolve
from redoubt.workflow.ship import _wanted, ship
from redoubt.workflow.snakefile import Dag
from tests.conftest import REPO, STUDY
from tests.faults import made_up

RUN, OTHER = "smoke/pgd_at/main", "smoke/standard/main"
MOVED = (
    "    moved: {attack: pgd, params: {steps: 2}, surrogate: standard/main, runs: [pgd_at/main]}\ndefenses:"
)


@pytest.fixture
def folder(tmp_path):
    """One seed of RUN is trained and attacked; both seeds of OTHER, whose gradients it borrows, are only trained."""
    folder = made_up.project(tmp_path / "a project", seeds=(0,))
    text = STUDY.replace("defenses:", MOVED).replace("main: {seeds: [0]}", "main: {}")
    (folder / "studies" / "smoke.yaml").write_text(text)
    for seed in (0, 1):
        where = folder / "checkpoints" / OTHER / f"seed{seed}"
        where.mkdir(parents=True)
        for name in ("best.safetensors", "last.safetensors", "record.json"):
            (where / name).write_bytes(b"other")
    shutil.copytree(REPO / ".dvc", folder / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp"))
    shutil.copy(REPO / "dvc.yaml", folder)
    return folder


def start_from(folder, depth):
    (folder / "config.yaml").write_text(f"studies: {{smoke: {{start_from: {depth}}}}}\nmirror: null\n")


def test_a_result_that_was_made_since_counts(folder):
    assert "pgd_at/main/seed1" in ship(folder, "smoke").missing
    start_from(folder, "results")
    assert Dag(folder).all_results() == [f"results/{RUN}/seed0.json"]
    made_up.training(folder, 1)
    made_up.result(folder, 1)
    assert Dag(folder).all_results() == [f"results/{RUN}/seed{s}.json" for s in (0, 1)]


def test_a_model_that_was_only_trained_lends_its_gradients_and_its_weights(folder):
    study = folder / "studies" / "smoke.yaml"
    study.write_text(
        study.read_text().replace("pgd_at: {params", "pgd_at: {starts_from: standard/main, params")
    )
    ship(folder, "smoke")
    start_from(folder, "checkpoints")
    dag = Dag(folder)
    assert list(dag.variants) == [RUN]
    assert dag.surrogates(RUN) == [f"checkpoints/{OTHER}/seed0/best.safetensors"]
    assert dag.starts(RUN) == [f"checkpoints/{OTHER}/seed{s}/best.safetensors" for s in (0, 1)]


def test_weights_of_what_was_attacked_are_carried_before_those_of_what_was_only_trained(folder):
    (folder / "studies" / "smoke.yaml").write_text(STUDY)
    made_up.training(folder, 1, weights=0)
    contents = {
        (folder / "checkpoints" / RUN / f"seed{s}" / name).read_bytes()
        for s in (0, 1)
        for name in ("best.safetensors", "record.json")
    }
    needs = sum(map(len, contents))
    shipment = ship(folder, "smoke", megabytes=(needs + 1) / 1e6)
    assert (shipment.carried, shipment.left) == (["pgd_at/main"], ["standard/main"])
    assert shipment.weights == needs
    assert needs == sum(p.stat().st_size for p in (folder / "remote").rglob("*") if p.is_file()), "once each"
    assert ship(folder, "smoke").carried == ["pgd_at/main", "standard/main"]


def test_a_carried_variant_whose_surrogate_is_not_carried_is_judged_by_its_results(folder):
    for seed in (0, 1):
        (folder / "checkpoints" / OTHER / f"seed{seed}" / "best.safetensors").write_bytes(bytes(10**6))
    made_up.training(folder, 1)
    shipment = ship(folder, "smoke", megabytes=0.9)
    assert (shipment.carried, shipment.left) == (["pgd_at/main"], ["standard/main"])
    start_from(folder, "checkpoints")
    assert Dag(folder).at(RUN) == "checkpoints", "all of it is here"
    shutil.rmtree(folder / "checkpoints")
    assert Dag(folder).at(RUN) == "results"


def test_the_smallest_are_wanted_first(folder):
    (folder / "studies" / "smoke.yaml").write_text(STUDY)
    study = load_study(folder / "studies" / "smoke.yaml")
    wanted = lambda: _wanted(folder / "checkpoints", study, resolve(study), set())
    (folder / "checkpoints" / RUN / "seed0" / "best.safetensors").write_bytes(bytes(10**3))
    assert wanted() == ["standard/main", "pgd_at/main"]
    (folder / "checkpoints" / OTHER / "seed0" / "best.safetensors").write_bytes(bytes(10**4))
    assert wanted() == ["pgd_at/main", "standard/main"]
