"""Which images train, which select the model and which test: disjoint index sets, equal for equal seeds."""

import hashlib

import numpy as np

from redoubt.data.catalogue import Info
from redoubt.errors import RedoubtError
from redoubt.seeds import derive

NAMES = ("train", "validation", "test")


def stratified(labels: np.ndarray, n: int, *parts: object) -> np.ndarray:
    """Positions of n examples, each class in its share (largest remainder), drawn by the seed `parts`.

    Args:
        labels: (N,) class of each example, any integer type.
        n: 0 … N.

    Returns:
        (n,) int64, ascending. Only raw PCG64 words are used: numpy promises that they never change between
        its versions, which it does not promise for shuffles.
    """
    keys = np.random.PCG64(derive(*parts)).random_raw(len(labels))
    classes, counts = np.unique(labels, return_counts=True)
    share, remainder = np.divmod(n * counts.astype(np.int64), max(len(labels), 1))
    share[np.argsort(-remainder, kind="stable")[: n - share.sum()]] += 1
    chosen = [np.empty(0, np.int64)]
    for label, quota in zip(classes, share, strict=True):
        members = np.flatnonzero(labels == label)
        chosen.append(members[np.argsort(keys[members], kind="stable")[:quota]])
    return np.sort(np.concatenate(chosen))


def divide(labels: dict[str, np.ndarray], info: Info, *, validation, test, train, seed) -> dict[str, tuple]:
    """Divides the maker's parts into train, validation and test.

    Args:
        labels: of each part: {"train", "test"}, {"all"} where the maker publishes no test set, or {"test"} where
            nothing is trained.
        validation, test, train: how many images; None: the default, all the maker's test images, and all the
            remaining images.
        seed: of the draw.

    Returns:
        split -> (part, positions in that part). Validation is never taken from the test images.

    Raises:
        RedoubtError: a size that is impossible with this many images.
    """
    pool = next((part for part in ("train", "all") if part in labels), "test")
    rest = np.arange(0 if pool == "test" else len(labels[pool]))

    def take(purpose, part, among, n, least):
        """n of the positions `among` of a part."""
        if not least <= n <= len(among):
            raise RedoubtError(
                f"data set {info.name} cannot give this many {purpose} images",
                key=purpose,
                value=n,
                allowed=f"{least} to {len(among)}",
            )
        return among[stratified(labels[part][among], n, seed, "split", info.name, purpose)]

    if pool == "all":
        held = take("test", pool, rest, info.test if test is None else test, 1)
        rest = np.setdiff1d(rest, held)
        part = pool
    else:
        part, everything = "test", np.arange(len(labels["test"]))
        held = everything if test is None else take("test", part, everything, test, 1)
    selection = take("validation", pool, rest, info.validation if validation is None else validation, 0)
    rest = np.setdiff1d(rest, selection)
    learnt = take(
        "train", pool, rest, len(rest) if train is None else train, 0 if train == 0 or pool == "test" else 1
    )
    return {"train": (pool, learnt), "validation": (pool, selection), "test": (part, held)}


def digest(indices: np.ndarray) -> str:
    """sha256 of the indices as little-endian int64, the hash that results name their test images by."""
    return hashlib.sha256(np.ascontiguousarray(indices, "<i8").tobytes()).hexdigest()
