"""The page of one judged model, a single file with styles and pictures inside, and its short form for a notebook."""

from __future__ import annotations

import base64
import struct
import zlib
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from markupsafe import Markup

from redoubt.reports.site import ASSETS
from redoubt.reports.site.pages import environment

SHOWN = 8  # fallen images on the page


class Fallen(Protocol):
    """What the page shows of single images; `judging.report.Examples` has it."""

    @property
    def fell_to(self) -> np.ndarray: ...
    @property
    def image(self) -> np.ndarray: ...
    @property
    def adversarial(self) -> np.ndarray: ...
    @property
    def original(self) -> np.ndarray: ...


def page(
    record: dict[str, Any], rows: list[dict[str, Any]], claims: list[dict[str, Any]], examples: Fallen
) -> str:
    """The whole page as text.

    Args:
        record: of a judged model.
        rows: `judging.report.Report.rows`.
        claims: `judging.report.Report.claims`.
        examples: of single images.
    """
    style = Markup((Path(ASSETS) / "site.css").read_text(encoding="utf-8"))
    pictures = _pictures(examples, record["threat"])
    made = environment().get_template("judged.html")
    return made.render(page="report.html", style=style, pictures=pictures, **_shared(record, rows, claims))


def short(record: dict[str, Any], rows: list[dict[str, Any]], claims: list[dict[str, Any]]) -> str:
    """Accuracies, verdicts, failed checks and remarks, for a cell of a notebook."""
    return (
        environment().get_template("judged_short.html").render(page="cell", **_shared(record, rows, claims))
    )


def _shared(
    record: dict[str, Any], rows: list[dict[str, Any]], claims: list[dict[str, Any]]
) -> dict[str, Any]:
    failed = [c for c in record["checks"] if not c["passed"]]
    return {"record": record, "rows": rows, "claims": claims, "failed": failed}


def _pictures(examples: Fallen, threat: dict[str, Any]) -> list[dict[str, Any]]:
    """The first images that fell: as they were, as they are misclassified, and what was changed."""
    found = []
    shown = zip(examples.image, examples.original, examples.adversarial, strict=True)
    for image, original, adversarial in list(shown)[:SHOWN]:
        change = adversarial - original
        scale = 2 * (np.abs(change).max() or 1.0)
        views = (("image", original), ("adversarial", adversarial), ("change, scaled", 0.5 + change / scale))
        found.append({
            "image": int(image), "fell_to": str(examples.fell_to[image]),
            "views": [(name, f"data:image/png;base64,{_png(view)}") for name, view in views],
        })  # fmt: skip
    return found


def _png(image: np.ndarray) -> str:
    """(C, H, W) in [0, 1] as a PNG in base64: the first channel in gray, or the first three in color."""
    color = len(image) >= 3
    pixels = np.clip(image[:3] if color else image[:1], 0, 1).transpose(1, 2, 0)
    height, width = pixels.shape[:2]
    lines = (255 * pixels).round().astype(np.uint8).reshape(height, -1)
    raw = b"".join(b"\0" + line.tobytes() for line in lines)
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if color else 0, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(raw, 9)), (b"IEND", b""))
    chunks = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts)
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"".join(chunks)).decode()
