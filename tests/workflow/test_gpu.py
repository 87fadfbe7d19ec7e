"""The GPU as the driver tells it, without torch."""

import pytest
import torch

from redoubt.workflow import gpu


class Driver:
    """libcuda with some GPUs."""

    def __init__(self, gpus, error=0):
        self.gpus, self.error = gpus, error

    def cuInit(self, flags):
        return self.error

    def cuDeviceGetCount(self, count):
        count._obj.value = self.gpus
        return 0


@pytest.mark.parametrize(
    ("driver", "built", "has"),
    [
        (Driver(1), True, True), (Driver(4), True, True), (Driver(0), True, False),
        (Driver(1, error=100), True, False), (Driver(1), False, False),
    ],
)  # fmt: skip
def test_a_gpu_counts_where_driver_and_torch_have_it(monkeypatch, driver, built, has):
    monkeypatch.setattr(gpu.ctypes, "CDLL", lambda name: driver)
    monkeypatch.setattr(gpu, "_built_for_cuda", lambda: built)
    assert gpu.has_gpu() is has


@pytest.mark.parametrize(
    ("named", "cards"), [(None, ["0", "1"]), ("3, GPU-b", ["3", "GPU-b"]), ("", ["0", "1"])]
)
def test_the_cards_are_those_that_this_process_is_shown(monkeypatch, named, cards):
    monkeypatch.setattr(gpu.ctypes, "CDLL", lambda name: Driver(2))
    monkeypatch.setattr(gpu, "_built_for_cuda", lambda: True)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if named is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert gpu.cards() == cards


def test_without_a_driver_there_is_none(monkeypatch):
    monkeypatch.setattr(gpu, "DRIVER", "libthere_is_no_such_driver.so")
    assert not gpu.has_gpu()


def test_it_says_of_this_machine_what_torch_says():
    assert gpu.has_gpu() == torch.cuda.is_available()
    assert not gpu._built_for_cuda() or torch.version.cuda
