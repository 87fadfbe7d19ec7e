"""Series are told apart, a panel a paper leaves no defense out, and one palette serves pages and figures."""

import re
from itertools import combinations

from redoubt.reports import verdict_looks
from redoubt.reports.figures.panels import GRAY, paneled, small_multiples
from redoubt.reports.figures.style import ORDER, looks
from redoubt.reports.names import DEFENSES, attack, label
from redoubt.reports.site import ASSETS


def test_no_two_series_share_color_and_dash_or_color_and_marker():
    every = looks([*DEFENSES.values(), *(f"a variant {i}" for i in range(60))])
    for (a, one), (b, two) in combinations(every, 2):
        assert (one.color, one.line) != (two.color, two.line), (a, b)
        assert (one.color, one.marker) != (two.color, two.marker), (a, b)
    few = dict(looks(["a variant", "CURE", "TRADES", "another", "standard"]))
    assert len({look.color for look in few.values()}) == 5
    assert few["CURE"] == dict(looks(ORDER))["CURE"], "a defense looks the same everywhere"


def test_every_defense_stands_in_a_panel_with_its_baselines_in_gray():
    runs = [f"{d}/main" for d in (*DEFENSES, "a_new_one")]
    found = paneled(runs)
    assert list(found) == ["UIAT", "CURE", "AFD", "AToP", "PSSR", "others"]
    assert {r for members in found.values() for r, _ in members} == set(runs)
    assert found["others"] == [("a_new_one/main", True)]
    assert list(paneled(["pgd_at/main", "afd/main"])) == ["AFD"]
    drawn = []
    figure, (cells,) = small_multiples(
        runs, lambda axes, _, run, name, look: drawn.append((axes.get_title(), run, look))
    )
    assert [a.get_title() for a in cells] == list(found)
    for paper, members in found.items():
        here = [(run, look) for title, run, look in drawn if title == paper]
        assert [run for run, _ in here] == [run for run, _ in members]
        assert [look.behind for _, look in here] == [not own for _, own in members]
        assert len({(look.color, look.line) for _, look in here}) == len(here)
    assert all(look.color.startswith("0.") for _, _, look in drawn if look.behind)
    assert len(GRAY) == len(set(GRAY))
    assert len(figure.axes) == 6


def test_verdicts_have_the_colors_of_the_pages():
    css = (ASSETS / "site.css").read_text(encoding="utf-8")
    light = css[: css.index("@media")]
    for style, color in verdict_looks.COLORS.items():
        assert re.search(rf"--{style}: {color}\b", light), style
        assert re.search(rf"--{style}-bg: {verdict_looks.FAINT[style]}\b", light), style


def test_names_in_words():
    assert attack("pgd20_eot10") == "PGD-20, 10 draws"
    assert attack("strength@0.05") == "PGD, radius 0.05"
    assert attack("pgd50_last") == "PGD-50, last weights"
    assert attack("something_new") == "something new"
    assert label("uiat/no_momentum") == "UIAT no momentum"
    assert label("block_freezing/u_23") == "U-23"
    assert label("mine/main") == "mine"
