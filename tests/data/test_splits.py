import hashlib

import numpy as np
import pytest

from redoubt.data import describe, splits
from redoubt.errors import RedoubtError


def divide(labels, info="digits", validation=None, test=None, train=None, seed=0):
    return splits.divide(labels, describe(info), validation=validation, test=test, train=train, seed=seed)


@pytest.mark.parametrize("case", range(60))
def test_the_three_index_sets_are_disjoint_and_have_the_asked_sizes(case):
    """Property: for random labels, sizes and seeds, no image is in two splits."""
    draw = np.random.default_rng(case)
    n = int(draw.integers(30, 400))
    labels = draw.integers(0, draw.integers(1, 12), n)
    test, validation = int(draw.integers(1, n // 3)), int(draw.integers(0, n // 3))
    train = None if case % 2 else int(draw.integers(1, n - test - validation + 1))
    if case % 3:
        held = draw.integers(0, 5, n)
        found = divide({"train": labels, "test": held}, "mnist", validation, test, train, seed=case)
        assert [part for part, _ in found.values()] == ["train", "train", "test"]
    else:
        found = divide({"all": labels}, "digits", validation, test, train, seed=case)
        assert {part for part, _ in found.values()} == {"all"}
    images = [(part, i) for part, positions in found.values() for i in positions.tolist()]
    assert len(images) == len(set(images))
    room = n - validation - (0 if case % 3 else test)
    sizes = {name: len(positions) for name, (_, positions) in found.items()}
    assert sizes == {"train": room if train is None else train, "validation": validation, "test": test}
    assert all((np.diff(positions) > 0).all() for _, positions in found.values())


@pytest.mark.parametrize("case", range(20))
def test_each_class_gets_its_share_to_within_one_image(case):
    draw = np.random.default_rng(case)
    labels = draw.choice(6, 500, p=draw.dirichlet(np.ones(6)))
    n = int(draw.integers(0, 501))
    chosen = splits.stratified(labels, n, case)
    assert len(chosen) == len(set(chosen.tolist())) == n
    share = np.bincount(labels, minlength=6) * n / 500
    assert (np.abs(np.bincount(labels[chosen], minlength=6) - share) < 1).all()


def test_a_new_seed_draws_other_images_and_the_same_seed_the_same():
    labels = {"all": np.arange(1797) % 10}
    first, again, other = (divide(labels, seed=s)["test"][1] for s in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()


def test_test_images_do_not_depend_on_how_many_are_held_out_or_trained_on():
    labels = {"all": np.arange(1797) % 10}
    assert (divide(labels)["test"][1] == divide(labels, validation=50, train=100)["test"][1]).all()


def test_the_draw_never_changes():
    """Recorded results name their test images by this draw: another numpy must draw the same ones."""
    chosen = splits.stratified(np.arange(1000) % 7, 10, 0, "frozen")
    assert chosen.tolist() == [247, 299, 358, 416, 498, 504, 585, 720, 975, 987]


def test_by_default_all_of_the_makers_test_images_are_used():
    labels = {"train": np.arange(5000) % 10, "test": np.arange(70) % 10}
    found = divide(labels, "mnist")
    assert [len(positions) for _, positions in found.values()] == [4000, 1000, 70]
    assert found["test"][1].tolist() == list(range(70))


@pytest.mark.parametrize(
    ("sizes", "key", "allowed"),
    [
        ({"test": 0}, "test", "1 to 100"),
        ({"test": 101}, "test", "1 to 100"),
        ({"test": 10, "validation": 91}, "validation", "0 to 90"),
        ({"test": 10, "validation": -1}, "validation", "0 to 90"),
        ({"test": 10, "validation": 20, "train": 71}, "train", "1 to 70"),
        ({"test": 10, "validation": 90}, "train", "1 to 0"),
    ],
)
def test_impossible_sizes_are_refused_with_what_would_be_possible(sizes, key, allowed):
    with pytest.raises(RedoubtError) as error:
        divide({"all": np.arange(100) % 10}, **sizes)
    assert (error.value.key, error.value.allowed) == (key, allowed)


def test_the_digest_is_of_little_endian_int64():
    indices = np.array([0, 1, 258], np.int32)
    raw = b"".join(int(i).to_bytes(8, "little") for i in indices)
    assert splits.digest(indices) == hashlib.sha256(raw).hexdigest()
