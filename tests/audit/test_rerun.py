"""An audit finds the record again, names what differs where it does not, and touches nothing else."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from redoubt.audit import differences, rerun
from redoubt.cli import app, inspect
from redoubt.errors import RedoubtError
from redoubt.records.files import sha256, write_record
from tests.conftest import REPO, Project

RUN = "smoke/pgd_at/main"


@pytest.fixture
def copy(project, tmp_path) -> Project:
    """The project after its first run, free to be changed."""
    made = project.copied(tmp_path / "a copy")
    shutil.rmtree(made.folder / "reports")
    return made


def everything(folder):
    """Hash of every file outside audits, logs and caches."""
    left_out = ("audits", "logs", ".snakemake", "__pycache__")
    return {
        p: sha256(p)
        for p in folder.rglob("*")
        if p.is_file() and not set(left_out) & set(p.relative_to(folder).parts)
    }


def report_of(made):
    return json.loads((made.folder / "audits" / RUN / "audit.json").read_text())


def test_what_is_recorded_comes_out_again_and_nothing_else_is_touched(copy):
    before = everything(copy.folder)
    said = copy.snakemake(f"audits/{RUN}")
    assert f"# {RUN}: identical" in said
    report = report_of(copy)
    assert report["verdict"] == "identical"
    assert report["seeds"] == [0, 1]
    assert [w["same"] for w in report["weights"]] == [True] * 4
    assert {e["name"] for e in report["evaluations"]} == {"clean", "fgsm", "pgd50", "worst"}
    assert everything(copy.folder) == before
    assert f"# {RUN}: identical" in (copy.folder / "audits" / RUN / "audit.md").read_text()


def test_another_setting_is_another_experiment_and_is_named(copy, monkeypatch, capsys):
    monkeypatch.setattr(inspect, "device_of", lambda *_: "cpu")
    path = copy.folder / "studies" / "smoke.yaml"
    path.write_text(path.read_text().replace("lr: 0.01", "lr: 0.02"))
    assert app.app(["audit", RUN, "--seed", "1", "--root", str(copy.folder)], standalone_mode=False) == 3
    report = report_of(copy)
    assert (report["verdict"], report["seeds"]) == ("different", [1])
    assert [r["key"] for r in report["differs"]["settings"]] == ["training.lr"]
    assert "training.lr: 0.01 -> 0.02" in capsys.readouterr().out


def test_a_changed_loss_is_named_by_its_file_on_a_clone_with_results_alone(copy):
    """As a fresh clone of a recorded study: no weights, no training record; the hashes in the results must do."""
    shutil.rmtree(copy.folder / "checkpoints")
    path = copy.folder / "src" / "redoubt" / "defenses" / "pgd_at.py"
    path.write_text(path.read_text().replace("model(x_adv), batch.y), {}", "-model(x_adv), batch.y), {}"))
    done = copy.run("redoubt", "audit", RUN, "--seed", "0", check=False)
    assert (done.returncode, done.stdout.splitlines()[0]) == (3, f"# {RUN}: different")
    report = report_of(copy)
    assert report["differs"]["code"] == ["src/redoubt/defenses/pgd_at.py"]
    assert report["epochs"] == {f"{RUN}/seed0": None}
    assert not any(w["same"] for w in report["weights"])


def test_an_audit_needs_a_record_and_makes_none(copy):
    shutil.rmtree(copy.folder / "results" / RUN)
    with pytest.raises(RedoubtError, match="nothing is recorded to audit") as caught:
        rerun.audit(copy.folder, RUN, [0, 1], "cpu")
    assert f"results/{RUN}/seed0.json" in str(caught.value)
    assert not (copy.folder / "audits").exists()


def test_a_result_of_other_weights_is_refused(copy):
    path = copy.folder / "results" / RUN / "seed0.json"
    record = json.loads(path.read_text())
    record["checkpoints"]["best"]["sha256"] = "0" * 64
    write_record(path, record)
    with pytest.raises(RedoubtError, match="of other weights than the recorded ones"):
        rerun.audit(copy.folder, RUN, [0, 1], "cpu")


def test_a_damaged_checkpoint_is_refused_by_its_name(copy):
    path = copy.folder / "checkpoints" / RUN / "seed1" / "last.safetensors"
    held = path.read_bytes()
    path.write_bytes(held[:-1] + bytes([held[-1] ^ 1]))
    with pytest.raises(RedoubtError, match="not the one that its record describes") as caught:
        rerun.audit(copy.folder, RUN, [0, 1], "cpu")
    assert "seed1/last.safetensors" in str(caught.value)


def test_a_record_of_other_versions_holds_although_its_bytes_do_not_come_out_again(copy):
    shutil.rmtree(copy.folder / "checkpoints")
    for seed in (0, 1):
        path = copy.folder / "results" / RUN / f"seed{seed}.json"
        record = json.loads(path.read_text())
        record["checkpoints"]["best"]["sha256"] = "0" * 64
        record["provenance"]["versions"]["torch"] = "2.11.0"
        write_record(path, record)
    report = rerun.audit(copy.folder, RUN, [0, 1], "cpu")
    assert report["verdict"] == "equivalent"
    assert "another environment (versions.torch)" in report["why"]
    assert all(e["within"] for e in report["evaluations"])


@pytest.mark.slow
def test_a_verdict_of_difference_is_a_target_that_was_made(copy):
    """On a clone with results alone: Snakemake prepares, audits, keeps the verdict, and is content."""
    shutil.rmtree(copy.folder / "checkpoints")
    shutil.rmtree(copy.folder / "data")
    path = copy.folder / "src" / "redoubt" / "defenses" / "pgd_at.py"
    path.write_text(path.read_text().replace("model(x_adv), batch.y), {}", "-model(x_adv), batch.y), {}"))
    copy.start_from("results")
    assert f"# {RUN}: different" in copy.snakemake(f"audits/{RUN}")
    assert report_of(copy)["verdict"] == "different"
    assert not (copy.folder / "checkpoints").exists()


@pytest.mark.slow
def test_another_instruction_set_is_named_as_the_reason(copy):
    """As on another processor: other bytes, and the report says why and whether the numbers hold all the same."""
    limits = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"}
    copy.run("redoubt", "audit", RUN, "--seed", "0", check=False, **limits)
    report = report_of(copy)
    keys = {row["key"] for row in report["differs"]["environment"]}
    assert keys == {"instructions.torch", "instructions.onednn"}
    assert not all(w["same"] for w in report["weights"])
    assert report["verdict"] == "equivalent" or "images would show it" in report["why"]
    assert "another environment (instructions.torch, instructions.onednn)" in report["why"]


@pytest.mark.slow
def test_a_start_is_trained_anew_before_what_starts_from_it(copy):
    path = copy.folder / "studies" / "smoke.yaml"
    path.write_text(
        path.read_text() + "  trades: {variants: {main: {seeds: [0], starts_from: standard/main}}}\n"
    )
    copy.run("redoubt", "train", "smoke/trades/main")
    copy.run("redoubt", "attack", "smoke/trades/main")
    copy.run("redoubt", "audit", "smoke/trades/main")
    report = json.loads((copy.folder / "audits/smoke/trades/main/audit.json").read_text())
    assert report["verdict"] == "identical"
    assert {w["run"] for w in report["weights"]} == {"smoke/standard/main/seed0", "smoke/trades/main/seed0"}
    assert (
        copy.folder / "audits/smoke/trades/main/checkpoints/smoke/standard/main/seed0/record.json"
    ).is_file()


def row(name, bits, seed=0, role="main", **more):
    return {
        "name": name, "seed": seed, "attack": "pgd", "checkpoint": "best", "role": role, "norm": "linf", "eps": 0.1,
        "n": len(bits), "view": "deployed", "correct": np.asarray(bits, bool), "max_perturbation": 0.1, **more,
    }  # fmt: skip


def found(recorded, audited, **differs):
    return {
        "weights": [{"same": False}], "epochs": {}, "checks": [], "told": [],
        "evaluations": differences.evaluations(pd.DataFrame(recorded), pd.DataFrame(audited)),
        "differs": {"settings": [], "data": [], "code": [], "environment": [], **differs},
    }  # fmt: skip


OTHER_TORCH = [{"key": "versions.torch", "recorded": "2.11", "audited": "2.14.1"}]
BITS = np.arange(5000) % 2 == 0
NEAR, FAR = BITS.copy(), BITS.copy()
NEAR[:10] = ~NEAR[:10]
FAR[:600] = True


def test_other_versions_within_the_margin_are_equivalent_and_the_reason_is_said():
    word, why = differences.verdict(found([row("pgd", BITS)], [row("pgd", NEAR)], environment=OTHER_TORCH))
    assert word == "equivalent"
    assert "another environment (versions.torch)" in why


def test_without_a_reason_nothing_but_the_same_bytes_will_do():
    word, why = differences.verdict(found([row("pgd", BITS)], [row("pgd", NEAR)]))
    assert word == "different"
    assert "bytes differ although" in why


def test_other_versions_do_not_excuse_other_numbers():
    word, why = differences.verdict(found([row("pgd", BITS)], [row("pgd", FAR)], environment=OTHER_TORCH))
    assert word == "different"
    assert "pgd (+5.4 to +6.7, beyond the margin)" in why


def test_few_images_cannot_show_that_numbers_agree():
    some = BITS[:60].copy()
    some[:6] = ~some[:6]
    word, why = differences.verdict(
        found([row("pgd", BITS[:60])], [row("pgd", some)], environment=OTHER_TORCH)
    )
    assert word == "different"
    assert "the interval reaches beyond it" in why
    assert "images would show it, not 60" in why


def test_a_diagnostic_attack_does_not_decide_but_a_missing_main_one_does():
    pair = [row("pgd", BITS), row("sweep", BITS, role="diagnostic")]
    anew = [row("pgd", BITS), row("sweep", FAR, role="diagnostic")]
    assert differences.verdict(found(pair, anew, environment=OTHER_TORCH))[0] == "equivalent"
    word, why = differences.verdict(
        found([row("pgd", BITS), row("fgsm", BITS)], anew, environment=OTHER_TORCH)
    )
    assert word == "different"
    assert "fgsm (not the same evaluation)" in why


def test_disagreements_are_counted_image_by_image():
    swapped = BITS.copy()
    swapped[[0, 1]] = ~swapped[[0, 1]]  # the accuracy stays, two images do not
    (e,) = differences.evaluations(pd.DataFrame([row("pgd", BITS)]), pd.DataFrame([row("pgd", swapped)]))
    assert e["recorded"] == e["audited"]
    assert e["disagreements"] == 2
    assert e["first_images"] == {"0": [0, 1]}


def test_speed_is_no_metric_and_the_last_digit_is():
    rows = [{"epoch": 0, "loss": 0.1, "images_per_s": 1.0}, {"epoch": 1, "loss": 0.2, "images_per_s": 1.0}]
    fast = [{**r, "images_per_s": 2.0} for r in rows]
    assert differences.epochs({"history": rows}, {"history": fast}) == []
    fast[1]["loss"] = np.nextafter(0.2, 1)
    assert differences.epochs({"history": rows}, {"history": fast}) == [2]
    assert differences.epochs({"history": rows}, {"history": fast[:1]}) == [2]


def test_the_files_behind_two_fingerprints_exist():
    old = {"modules": {"redoubt.training.trainer": "a", "redoubt.defenses.pgd_at": "b"}}
    new = {"modules": {"redoubt.training.trainer": "c", "redoubt.defenses.pgd_at": "b"}}
    (name,) = differences.modules(old, new)
    assert (REPO / name).is_file()
