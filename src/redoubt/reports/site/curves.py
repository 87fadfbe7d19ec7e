"""The history of a training as points in small drawings; the templates draw them as inline svg."""

from dataclasses import dataclass
from typing import Any

from redoubt.reports.site.evidence import Run

WIDTH, HEIGHT = 640, 220  # of the drawing's own coordinates; a page scales it
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 12, 34
SPARK = (160, 44)
SHOWN_APART = ("epoch", "clean", "robust")


@dataclass(frozen=True)
class Line:
    """One seed's values: `points` of an svg polyline, and where the selected epoch lies."""

    kind: str
    seed: int
    points: str
    selected: tuple[float, float]


@dataclass(frozen=True)
class Chart:
    """Validation accuracy by epoch: lines, and ticks as (place, text)."""

    lines: list[Line]
    x: list[tuple[float, str]]
    y: list[tuple[float, str]]
    summary: str


@dataclass(frozen=True)
class Spark:
    """A training metric by epoch, a line a seed, from its lowest to its highest value."""

    name: str
    lines: list[str]
    low: str
    high: str
    last: str


def chart(run: Run) -> Chart | None:
    """Natural and PGD accuracy on validation images, percent; None where no training record is here."""
    trained = [(s.seed, s.training) for s in run.seeds if s.training and s.training["history"]]
    if not trained:
        return None
    epochs = max(len(t["history"]) for _, t in trained)
    across = lambda e: LEFT + (WIDTH - LEFT - RIGHT) * (e / max(1, epochs - 1))
    down = lambda share: TOP + (HEIGHT - TOP - BOTTOM) * (1 - share)
    lines = []
    for kind in ("clean", "robust"):
        for seed, t in trained:
            places = [(across(i), down(h[kind])) for i, h in enumerate(t["history"])]
            lines.append(Line(kind, seed, _points(places), places[t["best_epoch"]]))
    step = max(1, round(epochs / 8))
    summary = "; ".join(
        f"seed {seed}: selected epoch {t['best_epoch'] + 1} of {len(t['history'])}, natural "
        f"{100 * t['history'][t['best_epoch']]['clean']:.1f} %, PGD "
        f"{100 * t['history'][t['best_epoch']]['robust']:.1f} %"
        for seed, t in trained
    )
    return Chart(
        lines,
        [(across(e), str(e + 1)) for e in range(0, epochs, step)],
        [(down(share / 100), str(share)) for share in range(0, 101, 25)],
        summary,
    )


def sparks(run: Run) -> list[Spark]:
    """Every other number that the training logged."""
    histories = [s.training["history"] for s in run.seeds if s.training and s.training["history"]]
    if not histories:
        return []
    names = [k for k, v in histories[0][0].items() if k not in SHOWN_APART and isinstance(v, int | float)]
    return [_spark(name, [[h.get(name, 0.0) for h in history] for history in histories]) for name in names]


def _spark(name: str, series: list[list[float]]) -> Spark:
    low, high = min(map(min, series)), max(map(max, series))
    width, height = SPARK
    lines = [
        _points(
            (3 + (width - 6) * i / max(1, len(values) - 1), 3 + (height - 6) * (1 - _share(v, low, high)))
            for i, v in enumerate(values)
        )
        for values in series
    ]
    return Spark(
        name, lines, f"{low:.4g}", f"{high:.4g}", ", ".join(f"{values[-1]:.4g}" for values in series)
    )


def _share(value: float, low: float, high: float) -> float:
    return (value - low) / (high - low) if high > low else 0.5


def _points(places: Any) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
