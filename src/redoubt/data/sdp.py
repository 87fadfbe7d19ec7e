"""The 200 test images of MNIST and of CIFAR-10 that verifiers report on, as Dathathri et al. (2020) drew them.

Published with alpha-beta-CROWN as float32 arrays; a part `test` alone. What is proven of the networks in the studies
`published_sdp_*` is proven of these images.
"""

import numpy as np

from redoubt.data.fetch import WEIGHTS, Files
from redoubt.data.original import Original, part
from redoubt.errors import RedoubtError

URL = (
    "https://raw.githubusercontent.com/Verified-Intelligence/alpha-beta-CROWN/"
    "8250d5fbd530c76e5e3243db28b3cad5fbaef740/complete_verifier/datasets/sdp/"
)
SHA256 = {
    "sdp_mnist_X.npy": "277b5e781c2e2838246070f3663b64e5ec02087e1a0a25dba804fcf8ff832419",
    "sdp_mnist_y.npy": "00b2d850ef5c455c33eea88bcc86a940be739b0479f2067d27d8b282263f29a9",
    "sdp_cifar_X.npy": "bc487064171fc74ce09b8c29db029da3a9be1f0275a23aa2f3aca6ccacb6958e",
    "sdp_cifar_y.npy": "b02c682406c3ae3aeba6b0fa0f6598ddb1d0331ce87c9b869136263946296dbd",
}
ROUNDING = 1e-3  # of a byte: float32 pixels are within 2e-5 of whole bytes


def mnist(files: Files, image_size: int) -> Original:
    """200 of MNIST's test images."""
    return _read(files, "mnist")


def cifar10(files: Files, image_size: int) -> Original:
    """200 of CIFAR-10's test images."""
    return _read(files, "cifar")


def _read(files: Files, name: str) -> Original:
    """The images as bytes.

    Raises:
        RedoubtError: a pixel that is no whole byte, so that bytes would be other images.
    """
    found = {}
    for kind in ("X", "y"):
        filename = f"sdp_{name}_{kind}.npy"
        path = files.get(filename, [f"{URL}{name}/{kind}_sdp.npy"], SHA256[filename], WEIGHTS)
        found[kind] = np.load(path, allow_pickle=False)
    pixels = 255 * found["X"].astype(np.float64)
    if (off := np.abs(pixels - np.rint(pixels)).max()) > ROUNDING:
        raise RedoubtError("these pixels are no bytes", file=filename, value=off, allowed=f"up to {ROUNDING}")
    images = np.rint(pixels).astype(np.uint8)
    if images.shape[-1] == 1:
        images = images[..., 0]
    return Original({"test": part(images, found["y"])}, pixels="float32 pixels stored as round(255 v)")
