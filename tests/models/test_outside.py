"""Weights and factories from outside: what is read, what is refused, and that reading runs nothing."""

import os
import pickle

import pytest
import safetensors.torch
import torch
from torch import nn

from redoubt import models
from redoubt.errors import RedoubtError
from redoubt.models.outside import from_factory, from_weights, read_weights
from redoubt.records.files import sha256

SHAPE = {"num_classes": 10, "in_channels": 1, "image_size": 8, "width": 4}


@pytest.fixture
def network():
    torch.manual_seed(0)
    return models.classifier("small_cnn", **SHAPE).eval()


class Runs:
    """A pickle that writes a file when it is opened."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


WAYS = {
    "bare": lambda s: s,
    "state_dict": lambda s: {"epoch": 3, "state_dict": s},
    "model in a training script": lambda s: {"model": s, "optimizer": {}},
    "a list of one": lambda s: {"state_dict": [s]},
    "DataParallel": lambda s: {f"module.{k}": v for k, v in s.items()},
    "compiled": lambda s: {f"_orig_mod.{k}": v for k, v in s.items()},
    "both": lambda s: {"net": {f"module._orig_mod.{k}": v for k, v in s.items()}},
}


@pytest.mark.parametrize("way", WAYS)
def test_weights_are_read_however_they_are_wrapped(network, tmp_path, way):
    torch.save(WAYS[way](network.state_dict()), tmp_path / "w.pt")
    read = from_weights(tmp_path / "w.pt", "small_cnn", **SHAPE)
    x = torch.rand(3, 1, 8, 8)
    assert not read.training
    assert torch.equal(read(x), network(x))


def test_safetensors_are_read_and_the_hash_is_held_to(network, tmp_path):
    path = tmp_path / "w.safetensors"
    safetensors.torch.save_file(network.state_dict(), path)
    x = torch.rand(3, 1, 8, 8)
    assert torch.equal(from_weights(path, "small_cnn", expected=sha256(path), **SHAPE)(x), network(x))
    with pytest.raises(RedoubtError, match="not the ones that were asked for") as error:
        read_weights(path, "0" * 64)
    assert error.value.value == sha256(path)


@pytest.mark.parametrize("name", ["w.pt", "w.pkl", "w.safetensors"])
@pytest.mark.parametrize("save", ["torch", "old torch", "pickle"])
def test_opening_weights_runs_nothing(tmp_path, name, save):
    path, trace = tmp_path / name, tmp_path / "it ran"
    content = {"state_dict": {"w": torch.zeros(2)}, "more": Runs(trace)}
    if save == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=save == "torch")
    with pytest.raises(RedoubtError, match=r"more than weights|damaged"):
        read_weights(path)
    assert not trace.exists()
    pickle.loads(pickle.dumps(Runs(trace)))
    assert trace.exists(), "another reader would have run it"


def whole_module(network, path):
    torch.save(network, path)


def cut_short(network, path):
    torch.save(network.state_dict(), path)
    path.write_bytes(path.read_bytes()[:-300])


REFUSED = {
    "missing": (lambda network, path: None, "there are no such weights"),
    "a whole module": (whole_module, "more than weights"),
    "cut short": (cut_short, "damaged"),
    "empty": (lambda network, path: path.write_bytes(b""), "damaged"),
    "text": (lambda network, path: path.write_text("weights"), "more than weights|damaged"),
    "no state dict": (lambda network, path: torch.save({"epoch": 3}, path), "no state dict"),
    "a tensor": (lambda network, path: torch.save(torch.zeros(3), path), "no state dict"),
    "nothing in it": (lambda network, path: torch.save({}, path), "no state dict"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_each_bad_file_has_one_clear_error(network, tmp_path, fault):
    make, said = REFUSED[fault]
    make(network, tmp_path / "w.pt")
    with pytest.raises(RedoubtError, match=said) as error:
        from_weights(tmp_path / "w.pt", "small_cnn", **SHAPE)
    assert error.value.file == tmp_path / "w.pt"


def test_weights_that_do_not_fit_name_the_first_keys(network, tmp_path):
    path, state = tmp_path / "w.pt", network.state_dict()
    body = {k: v for k, v in state.items() if not k.startswith("head")}
    torch.save({**body, "fc.weight": state["head.weight"]}, path)
    with pytest.raises(RedoubtError, match=r"2 missing: head.weight, head.bias; 1 left over: fc.weight"):
        from_weights(path, "small_cnn", **SHAPE)
    torch.save(state, path)
    with pytest.raises(RedoubtError, match=r"head.weight \(10, 64\), the model has \(100, 64\)"):
        from_weights(path, "small_cnn", **{**SHAPE, "num_classes": 100})
    with pytest.raises(RedoubtError, match=r"of another shape: stages\.stem\.0\.weight") as error:
        from_weights(path, "small_cnn", **{**SHAPE, "width": 8})
    assert error.value.value.count("the model has") == 3, "the first keys, not all of them"


FACTORY = """
from torch import nn
import beside

def load():
    return nn.Sequential(nn.Flatten(), nn.Linear(beside.PIXELS, 10)).eval()

def broken():
    raise FileNotFoundError("no weights at w.pt")

def nothing():
    return None
"""


@pytest.fixture
def factory(tmp_path):
    (tmp_path / "model.py").write_text(FACTORY)
    (tmp_path / "beside.py").write_text("PIXELS = 64")
    (tmp_path / "wrong.py").write_text("import nowhere_to_be_found")
    return tmp_path


def test_a_factory_is_run_and_finds_the_files_beside_it(factory):
    model = from_factory(f"{factory}/model.py:load")
    assert isinstance(model, nn.Module)
    assert model(torch.rand(2, 1, 8, 8)).shape == (2, 10)


FACTORIES = {
    "model.py:laod": "did you mean: load",
    "model.py:broken": "the factory raised FileNotFoundError: no weights at w.pt",
    "model.py:nothing": "nothing that can be called",
    "model.py": "named by file and function",
    "model.py:": "named by file and function",
    "models.py:load": "there is no such file",
    "wrong.py:load": "cannot be imported: ModuleNotFoundError",
}


@pytest.mark.parametrize("where", FACTORIES)
def test_each_bad_factory_has_one_clear_error(factory, where):
    with pytest.raises(RedoubtError, match=FACTORIES[where]):
        from_factory(f"{factory}/{where}")
