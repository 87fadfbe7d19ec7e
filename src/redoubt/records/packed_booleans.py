"""One bit an example, as text in a record."""

import base64

import numpy as np


def pack(correct: np.ndarray) -> str:
    """(n,) bool -> base64 of the bits, first example in the highest bit of the first byte."""
    return base64.b64encode(np.packbits(np.asarray(correct, bool)).tobytes()).decode()


def unpack(text: str, n: int) -> np.ndarray:
    """The inverse of `pack`: (n,) bool; ValueError for text that does not hold exactly n bits."""
    packed = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
    if len(packed) != -(-n // 8):
        raise ValueError(f"{len(packed)} bytes do not hold {n} bits")
    return np.unpackbits(packed, count=n).astype(bool)
