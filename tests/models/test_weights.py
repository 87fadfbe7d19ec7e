"""Weights of others: read as data, refused in words where they are anything else or do not fit."""

import pickle

import pytest
import safetensors.torch
import torch
from torch import nn

from redoubt.errors import RedoubtError
from redoubt.models.weights import load_into, read
from redoubt.records.files import sha256


class Trap:
    """A pickle of this writes a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 3))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"epoch": 3, "state_dict": state},
        lambda state: {"model": {f"module.{k}": v for k, v in state.items()}},
        lambda state: {f"module._orig_mod.{k}": v for k, v in state.items()},
        lambda state: [state],
    ],
    ids=["bare", "beside an epoch", "data parallel", "compiled", "in a list"],
)
@pytest.mark.parametrize("old_format", [False, True])
def test_a_state_dict_is_found_where_scripts_put_it(tmp_path, wrap, old_format):
    model, path = network(), tmp_path / "weights.pt"
    torch.save(wrap(model.state_dict()), path, _use_new_zipfile_serialization=not old_format)
    found = load_into(nn.Sequential(nn.Flatten(), nn.Linear(4, 3)), read(path, sha256(path)), path)
    assert torch.equal(found[1].weight, model[1].weight)
    assert not found.training


def test_safetensors_are_read(tmp_path):
    model, path = network(), tmp_path / "weights.safetensors"
    safetensors.torch.save_file(model.state_dict(), path)
    assert torch.equal(read(path)["1.bias"], model[1].bias)


@pytest.mark.parametrize("name", ["w.pt", "w.pkl", "w.safetensors"])
@pytest.mark.parametrize("save", ["torch", "old torch", "pickle"])
def test_nothing_in_a_file_is_executed(tmp_path, name, save):
    path, trace = tmp_path / name, tmp_path / "executed"
    content = {"state_dict": {"w": torch.zeros(2)}, "more": Trap(trace)}
    if save == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=save == "torch")
    with pytest.raises(RedoubtError, match=r"would execute|damaged"):
        read(path)
    assert not trace.exists()
    pickle.loads(pickle.dumps(Trap(trace))).close()
    assert trace.exists(), "another reader would have executed it"


def test_a_whole_module_is_refused(tmp_path):
    torch.save(network(), tmp_path / "model.pt")
    with pytest.raises(RedoubtError, match="more than tensors"):
        read(tmp_path / "model.pt")


def test_bad_files_are_named(tmp_path):
    with pytest.raises(RedoubtError, match="no such weights"):
        read(tmp_path / "none.pt")
    path = tmp_path / "weights.pt"
    torch.save(network().state_dict(), path)
    with pytest.raises(RedoubtError, match="another hash"):
        read(path, "0" * 64)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(RedoubtError, match=r"neither safetensors nor"):
        read(path)
    for content in ({"loss": 1.0}, {}, torch.zeros(3)):
        torch.save(content, path)
        with pytest.raises(RedoubtError, match="no state dict"):
            read(path)
    path.write_bytes(b"")
    with pytest.raises(RedoubtError, match="neither safetensors nor"):
        read(path)


def test_what_does_not_fit_is_named_by_its_first_keys():
    tensors = {"1.weight": torch.zeros(3, 5), "fc.bias": torch.zeros(3)}
    with pytest.raises(RedoubtError) as error:
        load_into(network(), tensors, "weights.pt")
    for part in ("1 missing: 1.bias", "1 not in the model: fc.bias", "1.weight (3, 5) for (3, 4)"):
        assert part in str(error.value)
