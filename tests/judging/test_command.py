"""`redoubt judge` as it is typed: exit codes, files, and one clear error for each thing that is wrong."""

import json
import sys

import numpy as np
import pytest
import safetensors.torch
import torch

from redoubt import models
from redoubt.cli.app import run
from redoubt.judging import command, loading
from redoubt.records import results

pytestmark = pytest.mark.usefixtures("quick")
SHORT = ["--eps", "0.1", "--suite", "screen", "--images", "10"]


@pytest.fixture
def typed(monkeypatch, capsys, folder):
    """Types a command in the folder; returns exit code, what was shown, and the error."""

    def call(*words):
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", ["redoubt", *map(str, words)])
        code = run()
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return call


def test_a_factory_in_one_command(typed, tmp_path):
    words = [
        "judge",
        "model.py:load",
        "--data",
        "digits.npz",
        *SHORT,
        "--out",
        tmp_path,
        "--claims",
        "56.3:worst",
    ]
    code, shown, said = typed(*words)
    assert code == 0, said
    assert "all 2 checks pass" not in shown or "worst" in shown
    assert "56.3 under worst:" in shown
    names = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    assert names == {
        "report.html", "examples.csv", "examples.npz", "results/judged/external/model/seed0.json"
    }  # fmt: skip
    record = results.read(tmp_path / "results/judged/external/model/seed0.json")
    assert record["provenance"]["model"]["files"]["factory"]["path"] == "model.py:load"
    assert len(record["provenance"]["model"]["files"]["factory"]["sha256"]) == 64
    assert record["stated"][0]["stated"] == 56.3


def test_a_failed_check_is_exit_code_3(typed, tmp_path, monkeypatch):
    from redoubt.evaluation import checks, probes

    line = checks.check("probe_useless_gradients", 1, 0.05, False, "share of images with a zero gradient")
    monkeypatch.setattr(probes, "probe", lambda *_, **__: [line])
    code, shown, _ = typed("judge", "model.py:load", "--data", "digits.npz", *SHORT, "--out", tmp_path)
    assert code == 3
    assert "flagged: 1 of" in shown
    assert "no number here can be believed" in " ".join(shown.split())


@pytest.mark.parametrize("ending", ["pt", "safetensors"])
def test_weights_of_a_known_architecture(typed, tmp_path, ending):
    model = models.classifier("small_cnn", num_classes=10, in_channels=1, image_size=8, width=4)
    path = tmp_path / f"weights.{ending}"
    save = torch.save if ending == "pt" else safetensors.torch.save_file
    save(model.state_dict(), path)
    words = ["--weights", path, "--architecture", "small_cnn", "--option", "width=4"]
    code, _, said = typed("judge", *words, "--data", "digits.npz", *SHORT, "--out", tmp_path / "out")
    assert code in (0, 3), said
    record = results.read(tmp_path / "out/results/judged/external/weights/seed0.json")
    assert record["config"]["architecture"] == {"name": "small_cnn", "options": {"width": 4}}
    code, _, said = typed("judge", *words[:4], "--data", "digits.npz", *SHORT)
    assert code == 1
    assert "do not fit" in said
    code, _, said = typed("judge", *words, "--data", "digits.npz", *SHORT, "--sha256", "0" * 64)
    assert code == 1
    assert "another hash" in said


def test_a_factory_finds_the_files_beside_it(tmp_path):
    (tmp_path / "own_model.py").write_text(
        "import own_size\n\n\ndef load():\n    return lambda x: x * own_size.ONE\n"
    )
    (tmp_path / "own_size.py").write_text("ONE = 1")
    assert loading.from_factory(f"{tmp_path}/own_model.py:load").model(3) == 3


def test_a_program(typed, tmp_path, own):
    exported = torch.export.export(own.load().eval(), (torch.rand(2, 1, 8, 8),))
    torch.export.save(exported, tmp_path / "net.pt2")
    code, shown, said = typed(
        "judge", tmp_path / "net.pt2", "--data", "digits.npz", *SHORT, "--out", tmp_path / "out"
    )
    assert code == 0, said
    assert "clean" in shown


def test_a_data_set_by_name_is_prepared_once(typed, tmp_path):
    words = ["judge", "model.py:load", "--data", "digits", *SHORT, "--root", tmp_path]
    assert typed(*words)[0] == 0
    record = results.read(tmp_path / "judged/model/results/judged/external/model/seed0.json")
    assert record["data"]["name"] == "digits"
    assert record["data"]["split"] == "test"
    prepared = tmp_path / "data/digits_test/record.json"
    assert json.loads(prepared.read_text())["splits"]["train"]["n"] == 0, "test images alone"
    made = prepared.stat().st_mtime_ns
    assert typed(*words)[0] == 0
    assert prepared.stat().st_mtime_ns == made


FAULTS = {
    "no such file": (["none.py:load"], "there is no such file"),
    "no such function": (["model.py:lod"], "did you mean: load"),
    "not a factory": (["model.py"], "named by its file and function"),
    "it cannot be imported": (["wrong.py:load"], "cannot be imported: ModuleNotFoundError"),
    "it raises": (["model.py:raises"], "the factory raised KeyError"),
    "it returns nothing": (["model.py:nothing"], "nothing that can be called"),
    "too few classes": (["model.py:wide"], "labels out of range"),
    "no finite logits": (["model.py:broken"], "NaN or infinite"),
    "other channels": (["model.py:of_color"], "cannot be called on these images"),
    "no model": ([], "one model is judged"),
    "two models": (["model.py:load", "--weights", "net.pt", "--architecture", "small_cnn"], "one model is judged"),
    "no architecture": (["--weights", "net.pt"], "belong together"),
    "unknown architecture": (["--weights", "net.pt", "--architecture", "smal_cnn"], "did you mean: small_cnn"),
    "an option without a value": (
        ["--weights", "net.pt", "--architecture", "small_cnn", "--option", "width"], "a name and a value"
    ),
    "unknown suite": (["model.py:load", "--suite", "standart"], "did you mean: standard"),
    "unknown norm": (["model.py:load", "--norm", "l1"], "unknown norm"),
    "no radius": (["model.py:load", "--eps", "8/x"], "the radius"),
    "a radius of 0": (["model.py:load", "--eps", "0"], "the radius"),
    "unknown attack": (["model.py:load", "--claims", "50:autoattack"], "does not face such an attack"),
    "no number": (["model.py:load", "--claims", "autoattack:50"], "a percentage"),
    "unknown data": (["model.py:load", "--data", "cifar11"], "did you mean: cifar10"),
    "no such images": (["model.py:load", "--data", "none.npz"], "there is no such file"),
    "images without x": (["model.py:load", "--data", "without_x.npz"], "has no x"),
    "pickled images": (["model.py:load", "--data", "pickled.npz"], "no archive of plain arrays"),
    "not an archive": (["model.py:load", "--data", "text.npz"], "no archive of plain arrays"),
    "images out of range": (["model.py:load", "--data", "bytes_as_floats.npz"], "divide by 255"),
    "normalized images": (["model.py:load", "--data", "normalized.npz"], "undo the normalization"),
    "labels that are no numbers": (["model.py:load", "--data", "fractions.npz"], "labels are whole numbers"),
    "labels of other images": (["model.py:load", "--data", "fewer.npz"], "do not belong together"),
}  # fmt: skip


@pytest.fixture(scope="module")
def bad_images(folder, digits):
    x, y = digits[1]
    np.savez(folder / "without_x.npz", images=x, y=y)
    np.savez(folder / "pickled.npz", x=np.array([x, None], object), y=y)
    (folder / "text.npz").write_text("x, y")
    (folder / "wrong.py").write_text("import nowhere_to_be_found")
    np.savez(folder / "bytes_as_floats.npz", x=x.astype(np.float32), y=y)
    np.savez(folder / "normalized.npz", x=x / 127.5 - 1, y=y)
    np.savez(folder / "fractions.npz", x=x, y=y + 0.5)
    np.savez(folder / "fewer.npz", x=x, y=y[:-1])


@pytest.mark.usefixtures("bad_images")
@pytest.mark.parametrize("fault", FAULTS)
def test_one_clear_error(typed, fault, tmp_path):
    words, wanted = FAULTS[fault]
    usual = {"--data": "digits.npz", "--eps": "0.1", "--suite": "screen", "--out": str(tmp_path)}
    rest = [w for k, v in usual.items() if k not in words for w in (k, v)]
    code, _, said = typed("judge", *words, *rest)
    assert code == 1
    assert wanted in said
    assert "Traceback" not in said
    assert not (tmp_path / "report.html").exists()


def test_a_radius_is_written_as_in_papers():
    assert command.radius("8/255") == 8 / 255
    assert command.radius(" 0.3") == 0.3
