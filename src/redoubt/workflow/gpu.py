"""Whether a run would take a GPU, asked of NVIDIA's driver: torch, which knows it too, takes seconds to load."""

import ctypes
import importlib.util
from pathlib import Path

DRIVER = "libcuda.so.1"


def has_gpu() -> bool:
    """Whether torch was built for CUDA and the driver shows a GPU to this process (`CUDA_VISIBLE_DEVICES` counts)."""
    return _built_for_cuda() and _shown() > 0


def _built_for_cuda() -> bool:
    torch = importlib.util.find_spec("torch")
    return bool(torch and torch.origin and (Path(torch.origin).parent / "lib" / "libtorch_cuda.so").is_file())


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
