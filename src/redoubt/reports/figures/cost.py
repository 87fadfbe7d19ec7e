"""Figures of notebooks/cost.py: what robustness costs."""

from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

from redoubt.reports.figures.evidence import Evidence, label
from redoubt.reports.figures.overview import mains
from redoubt.reports.figures.shapes import bars, scatter
from redoubt.reports.figures.style import Picture

SAME = "Times are of the machine that trained, which other work may have shared"


def robustness_against_cost(e: Evidence) -> Picture:
    """Worst-case accuracy against seconds of training."""
    runs = mains(e)
    rows = e.rows(runs, ["worst"]).assign(called=lambda f: f["run"].map(label))
    figure = scatter(
        rows,
        "training_seconds",
        "accuracy",
        ("training time (s, log scale)", "accuracy in the worst case (%)"),
    )
    axis = figure.axes[0].xaxis
    figure.axes[0].set_xscale("log")
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FormatStrFormatter("%g"))
    axis.set_minor_formatter(NullFormatter())
    caption = (
        "Accuracy in the worst case against the seconds of a training, without that of the weights it starts from. A "
        f"small marker is a seed, a large one their mean. {SAME}; {e.behind(runs)}."
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
