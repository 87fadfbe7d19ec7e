"""Whatever is changed is found and named; what is only old is not called broken."""

import json
import shutil

import pytest

from redoubt.audit.verify import summary, verify
from redoubt.records.files import sha256, write_json, write_record
from redoubt.records.shipped import LEDGER, copy_of_training, empty
from tests.conftest import Project
from tests.faults import made_up

RUN = "smoke/pgd_at/main"


@pytest.fixture
def root(project, tmp_path):
    """The project after its first run, free to be changed."""
    folder = tmp_path / "a copy"
    shutil.copytree(project.folder, folder, ignore=shutil.ignore_patterns("audits", ".snakemake"))
    return folder


def named(root, state="bad"):
    return {f.file: f.why for f in verify(root) if f.state == state}


def flip(path, at=-20):
    held = bytearray(path.read_bytes())
    held[at] ^= 1
    path.write_bytes(held)


def test_a_whole_project_is_good(root):
    found = verify(root)
    assert not [f for f in found if f.state in ("bad", "stale")]
    assert {f.kind for f in found} == {"ledger", "images", "weights", "results", "reports"}
    assert "results: 3 good" in summary(found)


@pytest.mark.parametrize(
    "name",
    [
        f"results/{RUN}/seed1.json",
        f"checkpoints/{RUN}/seed0/best.safetensors",
        f"checkpoints/{RUN}/seed1/last.safetensors",
        f"checkpoints/{RUN}/seed1/record.json",
        "data/smoke/record.json",
        "reports/tables/main.csv",
    ],
)
def test_one_bit_is_found_and_its_file_named(root, name):
    flip(root / name)
    assert set(named(root)) == {name}


def test_a_changed_image_and_a_changed_figure_are_found(root):
    image = next(p for p in (root / "data" / "smoke").iterdir() if p.suffix == ".npy")
    figure = next((root / "reports" / "figures").rglob("*.svg"))
    flip(image)
    flip(figure)
    assert set(named(root)) == {p.relative_to(root).as_posix() for p in (image, figure)}


def test_bits_that_disagree_with_their_count_are_found_behind_a_new_hash(root):
    path = root / "results" / RUN / "seed0.json"
    record = json.loads(path.read_text())
    record["evaluations"][1]["correct_count"] += 1
    write_record(path, record)
    assert "bits and its count differ" in named(root)[f"results/{RUN}/seed0.json"]


def test_records_that_were_swapped_are_found(root):
    one, two = (root / "results" / RUN / f"seed{s}.json" for s in (0, 1))
    held = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(held)
    assert set(named(root)) == {f"results/{RUN}/seed{s}.json" for s in (0, 1)}


def test_a_result_of_other_weights_or_images_is_found(root):
    for s, change in enumerate(
        (
            lambda r: r["checkpoints"]["best"].update(sha256="0" * 64),
            lambda r: r["data"].update(sha256="0" * 64),
        )
    ):
        path = root / "results" / RUN / f"seed{s}.json"
        record = json.loads(path.read_text())
        change(record)
        write_record(path, record)
    found = named(root)
    assert "other weights" in found[f"results/{RUN}/seed0.json"]
    assert "other images" in found[f"results/{RUN}/seed1.json"]


def test_a_changed_setting_is_stale_and_not_bad(root):
    path = root / "studies" / "smoke.yaml"
    path.write_text(path.read_text().replace("{value: 2,", "{value: 3,"))
    assert not named(root)
    found = named(root, "stale")
    assert found[f"results/{RUN}/seed0.json"] == "other settings: params.steps"
    assert "results/smoke/standard/main/seed0.json" not in found


def test_another_suite_makes_results_stale_and_weights_not(root):
    path = root / "studies" / "smoke.yaml"
    path.write_text(path.read_text().replace("params: {steps: 5}", "params: {steps: 6}"))
    assert {name.split("/")[0] for name in named(root, "stale")} == {"results"}


def test_what_is_not_here_is_absent_and_not_bad(root):
    (root / "checkpoints" / RUN / "seed0" / "last.safetensors").unlink()
    assert not named(root)
    assert f"checkpoints/{RUN}/seed0/last.safetensors" in named(root, "absent")


def test_the_ledger_as_dvc_writes_it(root):
    made = Project.__new__(Project)
    made.folder = root
    made.run("git", "init", "-q")
    made.run("dvc", "init", "-q")
    made.run("dvc", "commit", "--force", "-q")
    assert "ledger: 3 good" in summary(verify(root))
    flip(root / "checkpoints" / RUN / "seed0" / "best.safetensors")
    why = named(root)[f"checkpoints/{RUN}"]
    assert why == "not what dvc.lock records: seed0/best.safetensors"
    shutil.rmtree(root / "checkpoints")
    assert set(named(root, "absent")) == {f"checkpoints/{RUN}", "checkpoints/smoke/standard/main"}
    (root / "dvc.lock").write_text("stages: [")
    assert "dvc.lock" in named(root)


@pytest.fixture
def recorded(tmp_path):
    """Records that the repository carries, as `results/shipped.json` lists them."""
    root, told = made_up.project(tmp_path / "recorded"), {}
    for seed in (0, 1):
        copy, result = copy_of_training(root, RUN, seed), root / "results" / RUN / f"seed{seed}.json"
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(root / "checkpoints" / RUN / f"seed{seed}" / "record.json", copy)
        told[f"pgd_at/main/seed{seed}"] = {"result": sha256(result), "training": sha256(copy)}
    held = {"missing": ["standard/main/seed0"], "records": told}
    write_json(root / LEDGER, {**empty(), "studies": {"smoke": held}})
    (root / "config.yaml").write_text("studies: {smoke: {start_from: results}}\nmirror: null\n")
    return root


def test_records_are_those_that_the_repository_carries(recorded):
    assert {f.state for f in verify(recorded) if f.kind in ("results", "trainings")} == {"good"}
    result, training = f"results/{RUN}/seed0.json", f"results/{RUN}/training/seed0.json"
    for name in (result, training):
        record = json.loads((recorded / name).read_text())
        record["provenance"]["started"] = "2026-02-03T04:05:06Z"  # whole, and another
        write_record(recorded / name, record)
    assert named(recorded, "stale").keys() == {result, training}
    assert LEDGER in named(recorded, "stale")[result]
    flip(recorded / training)
    assert named(recorded).keys() == {training}


def test_a_carried_record_that_is_gone_is_absent(recorded):
    gone = [f"results/{RUN}/seed0.json", f"results/{RUN}/training/seed1.json"]
    for name in gone:
        (recorded / name).unlink()
    found = [f for f in verify(recorded) if f.state != "good" and f.kind != "ledger"]
    assert [(f.file, f.state, f.why) for f in found] == [(n, "absent", f"git checkout {n}") for n in gone]
    shutil.rmtree(recorded / "results" / "smoke")
    assert len([f for f in verify(recorded) if f.state == "absent" and f.kind != "ledger"]) == 4


def test_the_command_fails_and_names_the_file(root):
    from redoubt.cli import app

    assert app.app(["verify", "--root", str(root)], standalone_mode=False) is None
    flip(root / "checkpoints" / RUN / "seed0" / "best.safetensors")
    assert app.app(["verify", "--root", str(root)], standalone_mode=False) == 1
