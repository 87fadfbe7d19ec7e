"""Published weights: fetched by their hash, converted to a checkpoint like any other, attacked; nothing is trained."""

import json

import pytest
import torch
import yaml

from redoubt import data, models
from redoubt.config import load_study, resolve
from redoubt.errors import RedoubtError
from redoubt.evaluation.evaluator import attack_run
from redoubt.evaluation.settings import path_of
from redoubt.records.files import sha256
from redoubt.training.adoption import training_of
from redoubt.training.checkpoints import Checkpoints

HERE = {"source": "ours: tests"}
THEIRS = {"stages.conv1.0.": "0.", "stages.conv2.0.": "2.", "stages.dense.1.": "5.", "head.": "7."}


@pytest.fixture
def published(tmp_path):
    """A mirror with the weights of a CNN-A under its makers' names, and the network that they are of."""
    torch.manual_seed(0)
    model = models.classifier("cnn_a", num_classes=10, in_channels=1, image_size=8).eval()
    tensors = {
        name.replace(ours, theirs): tensor
        for name, tensor in model.state_dict().items()
        for ours, theirs in THEIRS.items()
        if name.startswith(ours)
    }
    assert len(tensors) == 8
    folder = tmp_path / "mirror" / "weights"
    folder.mkdir(parents=True)
    torch.save(tensors, folder / "theirs.pth")
    return model, folder / "theirs.pth"


def study_of(tmp_path, file, **changes):
    """A study of these weights on digits, its images prepared."""
    weights = {"url": "http://localhost:9/theirs.pth", "sha256": sha256(file), "file": file.name, **HERE}
    bound = {"robust": 0.0, "images": 20, "by": "nobody", **HERE}
    variant = {"weights": weights, "published": {"proven": bound, "attacked": None}}
    content = {
        "name": "small",
        "about": "tests",
        "data": {"name": "digits", "validation": 0, "train": 0, "test": 20},
        "architecture": {"name": "cnn_a", **HERE},
        "threat": {"norm": "linf", "eps": 0.1, **HERE},
        "seeds": [0],
        "evaluation": {"attacks": {"fgsm": {"attack": "fgsm"}}},
        "defenses": {"external": {"variants": {"theirs": variant}}},
        **changes,
    }
    path = tmp_path / "studies" / "small.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(content))
    study = load_study(path)
    folder = tmp_path / "data" / "small"
    if not folder.is_dir():
        data.prepare("digits", folder, validation=0, train=0, test=20)
    return study, resolve(study)[0].run(0), data.load(folder)


def test_they_become_a_checkpoint_and_are_attacked_like_any_other(tmp_path, published):
    model, file = published
    study, run, images = study_of(tmp_path, file)
    assert training_of(tmp_path, run, images, "cpu", tmp_path / "mirror").train()
    kept = Checkpoints(tmp_path, run)
    x = data.to_float(images.split("test").tensors()[0])
    for which in ("best", "last"):
        assert torch.equal(kept.load(which)(x), model(x))
    record = kept.record()
    assert record["history"] == []
    assert [(r["file"], r["sha256"], r["from"]) for r in record["read"]] == [
        (file.name, sha256(file), "mirror")
    ]
    attack_run(tmp_path, study, run, images, "cpu")
    result = json.loads(path_of(tmp_path, run).read_text())
    assert result["published"]["proven"]["by"] == "nobody"
    assert "below_what_is_proven" in [c["name"] for c in result["checks"]]
    assert {e["name"]: e["n"] for e in result["evaluations"]} == {"clean": 20, "fgsm": 20}


def test_a_published_number_decides_no_weights(tmp_path, published):
    _, file = published
    _, run, _ = study_of(tmp_path, file)
    assert "published" not in run.of.settings()
    assert run.of.params["sha256"] == sha256(file)
    assert run.of.sources["sha256"] == "ours: tests"


def test_another_file_of_that_name_is_refused(tmp_path, published):
    _, file = published
    _, run, images = study_of(tmp_path, file)
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(
        RedoubtError, match="published weights is damaged or cut short: wrong checksum"
    ) as error:
        training_of(tmp_path, run, images, "cpu", tmp_path / "mirror").train()
    assert error.value.file == file
    assert run.of.params["sha256"] in str(error.value)
    assert not Checkpoints(tmp_path, run).folder.exists()


def test_weights_that_do_not_fit_name_what_is_missing(tmp_path, published):
    _, file = published
    _, run, images = study_of(tmp_path, file, architecture={"name": "small_cnn", **HERE})
    with pytest.raises(RedoubtError, match="do not fit the architecture") as error:
        training_of(tmp_path, run, images, "cpu", tmp_path / "mirror").train()
    assert "stages.stem" in str(error.value)


def test_without_mirror_and_network_it_says_what_to_put_where(tmp_path, published, monkeypatch):
    _, file = published
    _, run, images = study_of(tmp_path, file)
    monkeypatch.setattr("redoubt.data.fetch.WAIT_S", 0.0)
    with pytest.raises(
        RedoubtError, match=r"theirs\.pth is not in the mirror and could not be downloaded"
    ) as error:
        training_of(tmp_path, run, images, "cpu").train()
    assert f"sha256 {sha256(file)}" in error.value.hint


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        (
            {"defenses": {"external": {"variants": {"theirs": {}}}}},
            "defenses.external.variants.theirs.weights",
        ),
        ({"defenses": {"standard": {}}, "training": {"epochs": 1, **HERE}}, "data.train"),
    ],
)
def test_a_study_says_what_is_fetched_and_trains_on_images(tmp_path, published, changes, key):
    with pytest.raises(RedoubtError) as error:
        study_of(tmp_path, published[1], **changes)
    assert error.value.key == key


def test_a_trained_defense_takes_no_published_weights(tmp_path, published):
    _, file = published
    weights = {"url": "http://x/y", "sha256": sha256(file), "file": file.name, **HERE}
    with pytest.raises(RedoubtError, match="only `external`") as error:
        study_of(tmp_path, file, defenses={"standard": {"variants": {"main": {"weights": weights}}}})
    assert error.value.key == "defenses.standard.variants.main.weights"
