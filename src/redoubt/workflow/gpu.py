"""Which GPUs runs would take, asked of NVIDIA's driver: torch, which knows it too, takes seconds to load."""

import ctypes
import importlib.metadata
import os
from pathlib import Path

DRIVER = "libcuda.so.1"


def has_gpu() -> bool:
    """Whether torch was built for CUDA and the driver shows a GPU to this process (`CUDA_VISIBLE_DEVICES` counts)."""
    return _built_for_cuda() and _shown() > 0


def cards() -> list[str]:
    """The GPUs of this machine that a run may take, as `CUDA_VISIBLE_DEVICES` names them."""
    if not has_gpu():
        return []
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = named.split(",") if named else map(str, range(_shown()))
    return [name.strip() for name in names][: _shown()]


def _built_for_cuda() -> bool:
    try:
        library = importlib.metadata.distribution("torch").locate_file("torch/lib/libtorch_cuda.so")
    except importlib.metadata.PackageNotFoundError:
        return False
    return Path(str(library)).is_file()


def _shown() -> int:
    """The number of GPUs; 0 where there is no driver or it does not start."""
    try:
        driver = ctypes.CDLL(DRIVER)
    except OSError:
        return 0
    count = ctypes.c_int()
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return 0
    return count.value
