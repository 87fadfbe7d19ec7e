"""From bits to cells: nothing is lost, nothing altered passes, and equal records give equal bytes."""

import json

import numpy as np
import pytest

from redoubt import comparisons, results, statistics, tables
from redoubt.bits import pack, unpack
from redoubt.errors import RedoubtError
from redoubt.provenance import write_record


def entry(name, bits, **more):
    bits = np.asarray(bits, bool)
    return {
        "name": name, "attack": "pgd", "checkpoint": "best", "view": "deployed", "surrogate": None, "role": "main",
        "norm": "linf", "eps": 0.1, "params": {}, "seed": 0, "n": len(bits), "correct_count": int(bits.sum()),
        "correct": pack(bits), "max_perturbation": 0.1, "seconds": 1.0,
        "info": {"easier_half": pack(np.arange(len(bits)) < 2)}, **more,
    }  # fmt: skip


CHECK = {"name": "perturbation_within_bound", "value": 0.0, "limit": 1e-5, "passed": True, "why": "fine"}


def record(folder, defense, seed, rows, checks=(CHECK,)):
    path = folder / "results" / "toy" / defense / "main" / f"seed{seed}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    run = {"study": "toy", "defense": defense, "variant": "main", "seed": seed}
    write_record(path, {"run": run, "evaluations": rows, "checks": checks, "training_seconds": 2.0})
    return path


@pytest.fixture
def files(tmp_path):
    ones = np.ones(10)
    a, b = ones.copy(), ones.copy()
    a[0], b[1] = 0, 0
    clean = entry("clean", ones, eps=0.0)
    first = [clean, entry("a", a), entry("b", b), entry("only", b * 0)]
    second = [clean, entry("a", a), entry("b", a)]
    return [record(tmp_path, "pgd_at", 0, first), record(tmp_path, "pgd_at", 1, second)]


def test_failed_checks_are_counted_and_shown(tmp_path):
    ones, failed = np.ones(10), {**CHECK, "passed": False, "value": 7.0}
    rows = [entry("clean", ones, eps=0.0), entry("a", ones)]
    undefended = [entry("clean", ones, eps=0.0), entry("a", ones * 0)]
    paths = [
        record(tmp_path, "standard", 0, undefended),
        record(tmp_path, "pgd_at", 0, rows),
        record(tmp_path, "pgd_at", 1, rows, (failed,)),
    ]
    found = {t.name: t.cells for t in tables.build(paths, [])}
    assert found["main"].set_index("defense")["checks"].to_dict() == {"standard": "", "pgd_at": "1 failed"}
    row = found["checks"].query("defense == 'pgd_at' and check == 'perturbation_within_bound'").iloc[0]
    assert (row["passed"], row["value"]) == ("1 of 2", "7")
    breaks = found["checks"].query("check == 'ablated_part_breaks'")
    assert breaks["passed"].tolist() == ["1 of 1"]


def test_bits_round_trip():
    bits = np.random.default_rng(0).random(137) < 0.5
    assert np.array_equal(unpack(pack(bits), 137), bits)


def test_worst_is_the_minimum_by_example_over_what_every_seed_faced(files):
    tidy = results.frame(files)
    worst = tidy[tidy["name"] == "worst"].set_index("seed")["correct"]
    assert worst[0].sum() == 8
    assert worst[1].sum() == 9


def test_diagnostics_last_checkpoints_and_sweeps_do_not_enter_the_worst_case(tmp_path):
    ones, none = np.ones(4), np.zeros(4)
    rows = [entry("clean", ones), entry("x", none, role="diagnostic"), entry("y", none, checkpoint="last")]
    path = record(tmp_path, "pgd_at", 0, [*rows, entry("z@0.5", none)])
    tidy = results.frame([path])
    assert tidy[tidy["name"] == "worst"]["correct"].iloc[0].all()


def test_the_worst_case_is_over_the_images_that_every_main_attack_faced(tmp_path):
    rows = [entry("clean", np.ones(4)), entry("part", np.array([0, 1])), entry("all", np.array([1, 1, 0, 0]))]
    worst = results.frame([record(tmp_path, "pgd_at", 0, rows)]).set_index("name").loc["worst"]
    assert worst["correct"].tolist() == [False, True]
    assert worst["n"] == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: r["evaluations"][1].update(correct_count=10), "changed by hand"),
        (lambda r: r["evaluations"][1].update(correct=pack(np.zeros(10))), "changed by hand"),
        (lambda r: r["evaluations"][1].pop("n"), "not a result record"),
        (lambda r: r["evaluations"][1].update(correct="?"), "not a result record"),
        (lambda r: r.pop("run"), "not a result record"),
        (lambda r: r["run"].update(seed=5), "another run's place"),
    ],
)
def test_a_record_edited_by_hand_is_refused(files, change, words):
    content = json.loads(files[0].read_text())
    change(content)
    write_record(files[0], content)
    with pytest.raises(RedoubtError, match=words) as caught:
        results.frame(files)
    assert str(files[0]) in str(caught.value)


def test_a_record_cut_in_half_is_refused(files):
    files[0].write_text(files[0].read_text()[:100])
    with pytest.raises(RedoubtError, match="not a whole record"):
        results.frame(files)


def test_wilson_against_published_values():
    # Newcombe 1998, table I: 81 of 263 and 0 of 20.
    ci = statistics.wilson(81, 263)
    assert (round(ci.low, 4), round(ci.high, 4)) == (0.2553, 0.3662)
    ci = statistics.wilson(0, 20)
    assert (ci.low, round(ci.high, 4)) == (0, 0.1611)


def test_mcnemar_by_hand():
    a, b = np.array([1, 1, 1, 1, 0, 0], bool), np.array([0, 0, 0, 1, 1, 0], bool)
    assert statistics.mcnemar(a, b) == pytest.approx(2 * (1 + 4) / 16)
    assert statistics.mcnemar(a, a) == 1


def test_paired_difference_has_the_width_that_theory_gives_and_repeats():
    rng = np.random.default_rng(0)
    a, b = rng.random(2000) < 0.7, rng.random(2000) < 0.6
    d = statistics.paired_difference(a, b)
    assert d.value == pytest.approx(a.mean() - b.mean())
    error = (a.astype(float) - b).std() / 2000**0.5
    assert d.high - d.low == pytest.approx(2 * 1.96 * error, rel=0.1)
    assert d == statistics.paired_difference(a, b)


def test_disagreeing_seeds_widen_the_interval():
    a, b = np.stack([np.ones(400), np.zeros(400)]) > 0, np.zeros((2, 400)) > 0
    d = statistics.paired_difference(a, b)
    assert (d.low, d.value, d.high) == (0, 0.5, 1)


def test_comparisons_say_what_can_be_told_apart(tmp_path):
    ones, none = np.ones(40), np.zeros(40)
    last = entry("a_last", none, checkpoint="last", role="diagnostic")
    paths = [
        record(tmp_path, "pgd_at", 0, [entry("clean", ones), entry("screen", none), entry("a", ones), last]),
        record(tmp_path, "trades", 0, [entry("clean", ones), entry("screen", ones)]),
    ]
    tidy = results.frame(paths)
    found = comparisons.pairs(tidy).set_index("attack")["direction"].to_dict()
    assert found == {"clean": "not told apart", "screen": "higher"}
    overfitting = comparisons.best_against_last(tidy).iloc[0]
    assert (overfitting["attack"], overfitting["direction"]) == ("a", "higher")


def test_confidence_halves_by_signed_radius(tmp_path):
    rows = [
        entry("clean", [1, 1, 1, 0], eps=0.0),
        entry("s@0.1", [1, 1, 0, 0]),
        entry("i@0.1", [1] * 4, attack="inverse"),
    ]
    table = comparisons.confidence_halves(results.frame([record(tmp_path, "uiat", 0, rows)]))
    assert table["eps"].tolist() == ["-0.1", "0", "0.1"]
    assert table["gap"].tolist() == ["0.0", "50.0", "100.0"]


def test_cells_show_spread_or_interval(files):
    tidy = results.frame(files)
    cells = tables.accuracy_table(tidy, ["study", "defense"]).iloc[0]
    assert cells["a"] == "90.0 ± 0.0"
    assert cells["only"] == "0.0 [0.0, 27.8]"
    assert cells["seeds"] == 2


def test_tables_are_equal_byte_for_byte_and_listed_with_their_hashes(files, tmp_path):
    import hashlib

    for name in ("one", "two"):
        tables.write(tables.build(files, []), tmp_path / name, tmp_path / f"{name}.list")
    one, two = sorted((tmp_path / "one").iterdir()), sorted((tmp_path / "two").iterdir())
    assert [p.name for p in one] == [p.name for p in two]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(one, two, strict=True))
    listed = json.loads((tmp_path / "one.list").read_text())["tables"]
    for table in listed:
        for kind, digest in table["sha256"].items():
            content = (tmp_path / "one" / f"{table['table']}.{kind}").read_bytes()
            assert hashlib.sha256(content).hexdigest() == digest
        assert table["sources"]
