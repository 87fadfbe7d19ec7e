"""`redoubt judge`: what the words of its command line name, and what the terminal shows."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import yaml
from torch import nn

from redoubt.config import load_config
from redoubt.errors import RedoubtError
from redoubt.judging import images as of_images
from redoubt.judging import loading, suites, verdicts
from redoubt.judging.judgment import Settings, run
from redoubt.judging.report import Report


@dataclass(frozen=True)
class Asked:
    """How a model was named: `model`, or `weights` with an `architecture`."""

    model: str | None
    weights: Path | None
    architecture: str | None
    options: tuple[str, ...]
    sha256: str | None


def judge(
    asked: Asked, data: str, *, norm: str, eps: str, suite: str, claims: Iterable[str], images: int | None,
    batch_size: int, seed: int, adversarial: bool, out: Path | None, root: Path, mirror: Path | None, device: str,
) -> tuple[Report, Path]:  # fmt: skip
    """The report and the folder that it was written to; arguments as on the command line.

    Raises:
        RedoubtError: whatever is wrong, cheap things first.
    """
    settings = Settings(norm, radius(eps), suites.known(suite), batch_size, seed, adversarial)
    stated = verdicts.read(claims)
    _one_model(asked)
    given = of_images.find(data, root, str(mirror) if mirror else _mirror(root), images)
    source = load(asked, given)
    if isinstance(source.model, nn.Module):
        source.model.to(device)
    folder = out or root / "judged" / source.name
    return run(source, given, settings, stated, folder), folder


def radius(text: str) -> float:
    """`8/255` or `0.03` as a number; RedoubtError for anything else."""
    try:
        value = float(Fraction(text.replace(" ", "")))
    except (ValueError, ZeroDivisionError):
        value = math.nan
    if not value > 0:
        raise RedoubtError("the radius is a number above 0", key="--eps", value=text, allowed="such as 8/255")
    return value


def _mirror(root: Path) -> str | None:
    path = root / "config.yaml"
    return load_config(path).mirror if path.is_file() else None


def _one_model(asked: Asked) -> None:
    if (asked.model is None) == (asked.weights is None):
        raise RedoubtError(
            "one model is judged: a factory or program, or weights with their architecture",
            allowed="file.py:function, model.pt2, or --weights FILE --architecture NAME",
        )
    if (asked.weights is None) != (asked.architecture is None):
        raise RedoubtError(
            "weights and an architecture belong together", key="--weights, --architecture",
            value=f"{asked.weights}, {asked.architecture}", hint="a .pt2 or a factory needs neither",
        )  # fmt: skip


def load(asked: Asked, given: of_images.Images) -> loading.Source:
    """The model, ready for these images; RedoubtError: see `loading`."""
    if asked.weights is not None and asked.architecture is not None:
        options = dict(_option(text) for text in asked.options)
        return loading.from_weights(asked.weights, asked.architecture, options, given.shape, asked.sha256)
    text = str(asked.model)
    if text.endswith(".pt2"):
        return loading.from_program(Path(text), asked.sha256)
    return loading.from_factory(text)


def _option(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not sign:
        raise RedoubtError(
            "an option has a name and a value", key="--option", value=text, allowed="such as width=16"
        )
    return name, yaml.safe_load(value)


def summary(report: Report, folder: Path) -> str:
    """What was found, for the terminal."""
    lines = [f"- {remark}" for remark in report.remarks] + [""]
    for row in report.rows():
        within = f"{100 * row['accuracy']:5.1f} [{100 * row['low']:.1f}, {100 * row['high']:.1f}]"
        lines.append(f"{row['name']:<20} {within:<20} of {row['n']} images" + _role(row))
    lines += [f"{c['stated']:g} under {c['attack']}: {c['verdict']} ({c['why']})" for c in report.claims]
    failed = len(report.failed)
    lines += [
        "",
        f"flagged: {failed} of {len(report.checks)} checks failed"
        if failed
        else f"all {len(report.checks)} checks pass",
        (folder / "report.html").as_posix(),
    ]
    return "\n".join(lines)


def _role(row: dict[str, Any]) -> str:
    return "" if row["role"] == "main" else f", {row['attack'] if row['role'] == 'derived' else row['role']}"
