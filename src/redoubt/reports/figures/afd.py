"""Figures of notebooks/afd.py."""

import torch
from matplotlib.figure import Figure

from redoubt import attacks
from redoubt.models.features import embed, separation
from redoubt.reports.figures.claims import of_paper
from redoubt.reports.figures.cost import epochs
from redoubt.reports.figures.evidence import Evidence, interval
from redoubt.reports.figures.shapes import intervals, lines
from redoubt.reports.figures.style import COLORS, MARKERS, Picture
from redoubt.reports.figures.uiat import ablation, sensitivity

FINE_TUNED = ("vaft/main", "arrest/main", "afkd/main", "rift/main", "afd/main")
IMAGES = 300


def afd_gap(e: Evidence) -> Picture:
    """Mean largest difference of natural and adversarial features, by epoch of fine-tuning."""
    runs = e.variants(*FINE_TUNED, "arrest/rgkd*", "arrest/*only*")
    history = e.history(runs)
    history = history.dropna(subset=["feature_gap"])
    figure = lines(history, "epoch", "feature_gap", ("epoch", "feature gap"))
    caption = (
        "Mean over training images of the largest difference between the natural network's feature of an image and the "
        "fine-tuned network's feature of its adversarial example (for AFD the intrinsic feature): "
        "mean over seeds, band "
        f"from the lowest to the highest; study {e.study}, {e.seeds(runs)}."
    )
    late = history[history["epoch"] > history["epoch"].max() / 2].groupby(["called", "epoch"], sort=False)
    means = late["feature_gap"].mean().groupby("called", sort=False)
    change = 100 * (means.last() / means.first() - 1)
    said = ", ".join(f"{name} {value:+.0f} %" for name, value in change.items())
    return Picture(figure, caption, f"change of the gap over the second half of the epochs: {said}.")


def afd_sensitivity(e: Evidence) -> Picture:
    """alpha, beta and gamma, one at a time."""
    params = {
        "alpha": "alpha, weight of the confused branch",
        "beta": "beta, weight of the cosine",
        "gamma": "gamma, weight of the alignment",
    }
    return sensitivity(e, "afd/main", params)


def attacked(e: Evidence, n: int):
    """AFD's network, test images, their PGD-20 images against what is deployed, and labels."""
    x, y = e.images(n)
    defense, model = e.network("afd/main")
    norm, eps = e.threat
    x_adv = attacks.get("pgd")(
        defense.deployed(model), x, y, eps=eps, norm=norm, seed=0, steps=20, step_size=eps / 4
    ).x_adv  # fmt: skip
    return model, x, x_adv, y


def afd_embedding(e: Evidence) -> Picture:
    """t-SNE of adversarial features before D1 and after it, and after D2."""
    model, _, x_adv, y = attacked(e, IMAGES)
    with torch.no_grad():
        f = model.classifier.features(x_adv)
        views = {"before": f, "intrinsic (D1)": model.D1(f), "confused (D2)": model.D2(f)}
    labels = y.numpy()
    figure = Figure(figsize=(9, 3.1), layout="constrained")
    found = {}
    for axes, (name, features) in zip(figure.subplots(1, 3), views.items(), strict=True):
        found[name] = separation(features.numpy(), labels)
        flat = embed(features.numpy())
        for c in sorted(set(labels.tolist()))[:10]:
            axes.plot(
                *flat[labels == c].T, MARKERS[c % len(MARKERS)], color=COLORS[c % len(COLORS)], ms=3.5, mew=0,
                label=str(c),
            )  # fmt: skip
        axes.set_title(name)
        axes.set_xticks([])
        axes.set_yticks([])
    axes.legend(title="class", loc="upper left", bbox_to_anchor=(1.01, 1), fontsize="small")
    caption = (
        "t-SNE of AFD's features of PGD-20 images before disentanglement, after D1 (intrinsic) and "
        "after D2 (confused); "
        f"distances between groups mean nothing; study {e.study}, n = {len(y)} test images, 1 training seed."
    )
    said = ", ".join(f"{name} {value:+.3f}" for name, value in found.items())
    return Picture(
        figure, caption, f"mean silhouette of the classes in the features themselves: {said} (one seed)."
    )


def afd_branches(e: Evidence) -> Picture:
    """Accuracy of z1 and z2 on natural and adversarial test images."""
    model, x, x_adv, y = attacked(e, IMAGES)
    names = {"intrinsic (z1)": model, "confused (z2)": model.confused}
    images = {"natural": x, "PGD-20": x_adv}
    with torch.no_grad():
        cells = [[interval([(f(z).argmax(1) == y).numpy()]) for z in images.values()] for f in names.values()]
    figure = intervals(list(images), list(names), cells)
    caption = (
        "Accuracy of the prediction from intrinsic features, which is deployed, and from confused "
        "ones, on natural test images "
        f"and on PGD-20 images of the deployed network; study {e.study}, n = {len(y)} test images, 1 training "
        "seed. Bars are 95 % intervals."
    )
    on = [row[1].value for row in cells]
    found = f"under PGD-20 intrinsic features are right on {on[0]:.1f} % and confused ones on {on[1]:.1f} %"
    return Picture(figure, caption, f"{found} (one seed).")


def afd_branches_by_epoch(e: Evidence) -> Picture:
    """The same on adversarial training images, by epoch."""
    history = e.history(["afd/main"]).melt(
        ["seed", "epoch"], ["accuracy_z1", "accuracy_z2"], "branch", "share"
    )
    history["accuracy"] = 100 * history["share"]
    history["branch"] = history["branch"].map(
        {"accuracy_z1": "intrinsic (z1)", "accuracy_z2": "confused (z2)"}
    )
    figure = lines(history, "epoch", "accuracy", ("epoch", "accuracy (%)"), hue="branch")
    caption = (
        "Accuracy from intrinsic and from confused features on adversarial training images, averaged "
        "over each epoch; band "
        f"over seeds; study {e.study}, {e.seeds(['afd/main'])}."
    )
    last = (
        history[history["epoch"] == history["epoch"].max()].groupby("branch", sort=False)["accuracy"].mean()
    )
    return Picture(figure, caption, f"in the last epoch {last.iloc[0]:.1f} % against {last.iloc[1]:.1f} %.")


def afd_components(e: Evidence) -> Picture:
    """Every variant that leaves out or changes a part."""
    params = ("alpha", "beta", "gamma")
    swept = lambda r: r.split("/")[1].split("_")[0] in params
    runs = [r for r in e.variants("vaft/main", "afd/*") if not swept(r)]
    return ablation(e, runs, "afd/main", "AFD with a part left out or changed, beside fine-tuning without it")


def afd_cost(e: Evidence) -> Picture:
    """Seconds an epoch of each fine-tuning and of adversarial training."""
    runs = e.variants("pgd_at/main", *FINE_TUNED)
    picture = epochs(e, runs)
    of = lambda r: sum(t["seconds"] / len(t["history"]) for t in e.records(r)) / len(e.records(r))
    ratio = of("afd/main") / of("vaft/main")
    found = f"an epoch of AFD takes {ratio:.2f} times as long as vAFT's, roughly."
    return Picture(picture.figure, picture.caption, found)


def afd_claims(e: Evidence) -> Picture:
    """The comparisons behind its judged claims."""
    return of_paper(e, "AFD")
