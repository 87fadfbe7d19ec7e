"""The instruction sets that torch and oneDNN compute with here: another one gives other bits on the same images."""

import ctypes
import functools
import os
import re
import sys
import tempfile

SAID = re.compile(r"info,cpu,isa:(.+)")  # a line of what oneDNN says about itself


@functools.cache
def instructions() -> dict[str, str | None]:
    """`torch`: the kernels that it chose (ATEN_CPU_CAPABILITY limits them); `onednn`: those of convolutions
    (ONEDNN_MAX_CPU_ISA), None where it does not say.
    """
    import torch

    found = SAID.search(_onednn())
    return {
        "torch": torch.backends.cpu.get_cpu_capability(),
        "onednn": found.group(1).strip() if found else None,
    }


def _onednn() -> str:
    """What oneDNN prints about itself at its first convolution with a voice; it offers no other way to ask."""
    import torch

    if not torch.backends.mkldnn.is_available():
        return ""
    sys.stdout.flush()
    try:
        terminal = os.dup(1)
    except OSError:  # closed
        return ""
    with tempfile.TemporaryFile() as held:
        flush = ctypes.CDLL(None).fflush
        flush(None)
        os.dup2(held.fileno(), 1)
        try:
            with torch.no_grad(), torch.backends.mkldnn.verbose(torch.backends.mkldnn.VERBOSE_ON):
                torch.nn.functional.conv2d(torch.zeros(8, 16, 32, 32), torch.zeros(32, 16, 3, 3))
            flush(None)
        finally:
            os.dup2(terminal, 1)
            os.close(terminal)
        held.seek(0)
        return held.read().decode(errors="replace")
