"""Exported programs: they answer as the model did, with a gradient, and nothing else in an archive is touched."""

import io
import json
import zipfile

import pytest
import torch
from torch import nn

from redoubt.errors import RedoubtError
from redoubt.models.exported import program
from tests.models.test_weights import Trap


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3)
    ).eval()


def saved(path, model, fixed=False):
    shapes = None if fixed else ({0: torch.export.Dim("batch")},)
    torch.export.save(torch.export.export(model, (torch.rand(2, 1, 8, 8),), dynamic_shapes=shapes), path)
    return path


@pytest.mark.parametrize("fixed", [False, True])
def test_a_program_answers_as_its_model(tmp_path, model, fixed):
    found = program(saved(tmp_path / "model.pt2", model, fixed)).eval()
    x = torch.rand(5, 1, 8, 8, requires_grad=True)
    assert torch.allclose(found(x), model(x), atol=1e-6)
    (slope,) = torch.autograd.grad(found(x)[:, 0].sum(), x)
    (wanted,) = torch.autograd.grad(model(x)[:, 0].sum(), x)
    assert torch.allclose(slope, wanted, atol=1e-6)


def rewritten(path, name, change):
    """The archive with the content of one file changed."""
    held = {n: zipfile.ZipFile(path).read(n) for n in zipfile.ZipFile(path).namelist()}
    root = next(iter(held)).split("/")[0]
    held[f"{root}/{name}"] = change(held.get(f"{root}/{name}", b""))
    with zipfile.ZipFile(path, "w") as archive:
        for n, content in held.items():
            archive.writestr(n, content)
    return path


def of_json(change):
    def changed(content):
        held = json.loads(content)
        change(held)
        return json.dumps(held).encode()

    return changed


def trapped(path):
    held = io.BytesIO()
    torch.save((Trap(path),), held)
    return held.getvalue()


@pytest.mark.parametrize("kind", ["operation", "size", "name", "pickle", "samples", "library"])
def test_an_archive_that_could_execute_something_is_refused(tmp_path, model, kind):
    path, sign = saved(tmp_path / "model.pt2", model), tmp_path / "executed"
    graph = lambda held: held["graph_module"]["graph"]
    changes = {
        "operation": (
            "models/model.json",
            of_json(lambda h: graph(h)["nodes"][0].update(target="torch.os.system")),
        ),
        "size": (
            "models/model.json",
            of_json(lambda h: h.update(expr_str=f"__import__('os').mknod('{sign}')")),
        ),
        "name": ("models/model.json", of_json(lambda h: graph(h)["nodes"][0].update(name="x = open('y')"))),
        "pickle": (
            "data/weights/model_weights_config.json",
            of_json(lambda h: next(iter(h["config"].values())).update(use_pickle=True)),
        ),
        "samples": ("data/sample_inputs/model.pt", lambda _: trapped(sign)),
        "library": ("data/aotinductor/model/model.so", lambda _: b"code"),
    }
    with pytest.raises(RedoubtError, match="more than a graph"):
        program(rewritten(path, *changes[kind]))
    assert not sign.exists()


def test_what_is_no_program_is_named(tmp_path):
    path = tmp_path / "model.pt2"
    with pytest.raises(RedoubtError, match="no such weights"):
        program(path)
    path.write_bytes(b"nothing of that kind")
    with pytest.raises(RedoubtError, match="not a program"):
        program(path)
    torch.export.save(torch.export.export(nn.Linear(4, 3), (torch.rand(2, 4),)), path)
    with pytest.raises(RedoubtError, match="batch of images"):
        program(path)
    with pytest.raises(RedoubtError, match="another hash"):
        program(path, "0" * 64)
