"""Figures of notebooks/cost.py: what robustness costs."""

from matplotlib.axes import Axes
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

from redoubt.reports.figures.evidence import Evidence
from redoubt.reports.figures.overview import here, mains
from redoubt.reports.figures.panels import small_multiples
from redoubt.reports.figures.shapes import bars, draw_cross
from redoubt.reports.figures.style import Look, Picture
from redoubt.reports.names import label
from redoubt.statistics.intervals import Interval

SAME = "Times are of the machine that trained, which other work may have shared"


def robustness_against_cost(e: Evidence) -> Picture:
    """Worst-case accuracy against seconds of training."""
    runs = mains(e)
    rows = e.rows(runs, ["worst"]).assign(called=lambda f: f["run"].map(label))

    def draw(axes: Axes, _: str, run: str, name: str, look: Look) -> None:
        seconds = rows.loc[rows["run"] == run, "training_seconds"]
        took = Interval(seconds.mean(), seconds.min(), seconds.max())
        draw_cross(axes, name, look, took, here(e, run, "worst"))

    figure, (cells,) = small_multiples(runs, draw)
    cells[0].set_xscale("log")
    for axes in cells:
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FormatStrFormatter("%g"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    figure.supxlabel("training time (s, log scale)", fontsize="medium")
    figure.supylabel("accuracy in the worst case (%)", fontsize="medium")
    caption = (
        "Accuracy in the worst case with its 95 % interval against the seconds of a training, from the fastest seed to "
        "the slowest, without that of the weights it starts from; a panel a paper, its baselines in gray. "
        f"{SAME}; {e.behind(runs)}."
    )
    means = rows.groupby("called", sort=False)[["training_seconds", "accuracy"]].mean()
    top = means["accuracy"].idxmax()
    near = means[means["accuracy"] > means["accuracy"].max() - 2]["training_seconds"]
    found = (
        f"{top} stands highest with {means.loc[top, 'accuracy']:.1f} % at {means.loc[top, 'training_seconds']:.0f} s; "
        f"{near.idxmin()} is the cheapest within 2 points of it, at {near.min():.0f} s. Seconds are a rough measure."
    )
    return Picture(figure, caption, found)


def seconds_per_epoch(e: Evidence) -> Picture:
    """Seconds an epoch of each defense."""
    return epochs(e, mains(e))


def epochs(e: Evidence, runs: list[str]) -> Picture:
    """Seconds an epoch, validation included, of these variants."""
    history = e.history(runs)
    counts = history.groupby(["run", "seed"], sort=False).size().rename("epochs").reset_index()
    seconds = {(r, t["run"]["seed"]): t["seconds"] for r in runs for t in e.records(r)}
    counts["seconds"] = [seconds[r, s] / n for r, s, n in counts.itertuples(index=False)]
    counts["called"] = counts["run"].map(label)
    counts["kind"] = "one epoch"
    figure = bars(counts, "seconds", "called", "kind", ("seconds an epoch", ""), width=5)
    axes = figure.axes[0]
    if legend := axes.get_legend():
        legend.remove()
    axes.grid(axis="x", visible=True)
    axes.grid(axis="y", visible=False)
    figure.set_size_inches(5, 0.8 + 0.3 * len(runs))
    means = counts.groupby("called", sort=False)["seconds"].mean()
    caption = (
        f"Seconds an epoch, validation included: mean over seeds, line from the fastest to the slowest. {SAME}; study "
        f"{e.study}, {e.seeds(runs)}."
    )
    found = (
        f"{means.idxmax()} takes {means.max() / means.min():.1f} times as long as {means.idxmin()}, roughly."
    )
    return Picture(figure, caption, found)
