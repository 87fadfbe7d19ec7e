"""The pages as files: links lead somewhere, text is text, what is missing is said, equal input gives equal bytes."""

import shutil
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from redoubt.claims.fidelity import load_all
from redoubt.errors import RedoubtError
from redoubt.reports import site
from redoubt.reports.site import pages, sentences, verdicts
from redoubt.reports.site.evidence import Run, Seed
from redoubt.reports.site.home import scale
from redoubt.reports.site.links import NUMBER, anchor
from redoubt.reports.site.verdicts import touching
from redoubt.reports.site.words import VERDICTS
from tests.reports.site.conftest import result


class Page(HTMLParser):
    """What a page holds: its elements, ids, addresses and text."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.ids, self.links, self.attributes, self.words = [], [], [], set(), ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.tags.append(tag)
        self.attributes |= set(found)
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found[k] for k in ("href", "src") if k in found]

    def handle_data(self, data):
        self.words += data


def test_every_link_leads_to_a_file_and_an_anchor_of_the_folder(reports):
    read = {
        p: Page(p) for p in reports.rglob("*.html") if p.parent.name != "tables" or p.parent.parent != reports
    }
    assert len(read) > 12
    followed = 0
    for path, page in read.items():
        assert len(page.ids) == len(set(page.ids)), path
        for link in page.links:
            if link.startswith(("data:", "https://arxiv.org/abs/")):
                continue
            file, _, mark = unquote(link).partition("#")
            target = (path.parent / file).resolve() if file else path
            assert target.is_relative_to(reports.resolve()), link
            assert target.is_file(), f"{path}: {link}"
            if mark:
                assert mark in read[target].ids, f"{path}: {link}"
            followed += 1
    assert followed > 300


def test_a_study_that_was_shipped_unfinished_names_what_is_missing(reports):
    for page in ("index.html", "site/runs/toy/cure/main.html"):
        assert "2 runs are missing, of 1 variant: cure/wider." in Page(reports / page).words


def test_a_network_of_another_width_is_named_so():
    def of(width):
        config = {"architecture": {"name": "preactresnet18", "options": {"width": width} if width else {}}}
        record = {
            "data": {"name": "cifar10", "n": 9, "split": "test"},
            "threat": {"norm": "linf", "eps": 0.1},
        }
        return Run("small", "standard", f"w{width}", [Seed(0, {**record, "config": config}, Path(), "")])

    told = scale([of(16), of(None)], "small")
    assert "preactresnet18 of width 16, preactresnet18;" in told


def test_text_from_files_is_never_markup(reports):
    for path in reports.rglob("*.html"):
        page = Page(path)
        if path.parent == reports / "tables":
            continue
        assert page.tags.count("script") == 2, path
        assert not {a for a in page.attributes if a.startswith("on")}, path
        assert path.stat().st_size < 1_000_000
    front = Page(reports / "index.html").words
    assert "<script>alert('x')</script>" in front
    assert "{{ 7 * 7 }}" in front


def test_a_number_leads_to_its_evaluation_and_that_to_its_record(reports):
    front = (reports / "index.html").read_text()
    assert 'href="site/runs/toy/pgd_at/main.html#attack-pgd50"' in front
    assert 'href="site/runs/toy/pgd_at/main.html#attack-worst"' in front
    run = (reports / "site" / "runs" / "toy" / "pgd_at" / "main.html").read_text()
    for word in (
        "results/toy/pgd_at/main/seed1.json", "a" * 64, "d" * 64, "a processor, 2 cores",
        "redoubt audit toy/pgd_at/main", "redoubt train toy/pgd_at/main",
        "snakemake --cores 8 results/toy/pgd_at/main/seed0.json",
    ):  # fmt: skip
        assert word in run
    kept = reports / "site" / "records" / "results" / "toy" / "pgd_at" / "main" / "seed1.json"
    original = reports.parent / "results" / "toy" / "pgd_at" / "main" / "seed1.json"
    assert kept.read_bytes() == original.read_bytes()


def text(path):
    return " ".join(Page(path).words.split())


def test_judged_claims_are_counted_once_controls_and_what_waits_apart(reports):
    front = text(reports / "index.html")
    assert all(meaning in front for meaning in VERDICTS)
    assert (
        "7 claims of the papers were judged by runs: 2 reproduced or holding in direction, 1 not told"
        in front
    )
    assert "1 controls of our own are counted apart" in front
    paper = text(reports / "site" / "papers" / "2401.14948.html")
    assert "2 claims that wait for a run or another protocol, and 1 numbers kept for context" in paper
    assert "Controls of this replication" in paper
    rest = text(reports / "site" / "papers" / "2401.14948-rest.html")
    assert "not comparable" in rest
    assert "50.5" in rest


def test_a_claim_that_two_studies_judge_counts_once_with_its_worst_verdict():
    row = lambda study, verdict: {"paper": "p", "id": "c1", "study": study, "verdict": verdict}
    rows = [
        row("a", "direction holds"),
        row("b", "direction fails"),
        {**row("a", "not told apart"), "id": "c2"},
    ]
    assert verdicts.counts(verdicts.distinct(rows)) == [("not told apart", 1), ("direction fails", 1)]
    ordered = verdicts.sorted_by_verdict(
        [{**rows[1], "id": "second"}, {**rows[1], "headline": True}, rows[0]]
    )
    assert [c["id"] for c in ordered] == ["c1", "second", "c1"], "the claim that stands for its paper first"


def test_weights_are_named_by_their_file_and_where_it_comes_from(reports):
    page = text(reports / "site" / "runs" / "toy" / "cure" / "main.html")
    assert "redoubt train toy/cure/main makes it" in page


def test_one_sentence_a_paper_stands_on_the_front_page(reports):
    front = text(reports / "index.html")
    said = "Worst case: CURE 45.0 %, PGD-AT 50.0 %; difference -5.0 [-9.0, -1.0] points on seeds 0 and 1, "
    said += "expected above 0: it missed"
    assert said in front.replace("\xa0", " ")
    assert "digits, 8x8 pixels" in front, "the scale of the study"


def test_every_page_tells_the_scale_of_its_study(reports):
    for path in (reports / "site").rglob("*.html"):
        assert "Study toy : 40 test images of digits" in text(path).replace("Study toy:", "Study toy :"), path


def test_a_claim_tells_where_it_comes_from_what_it_rests_on_and_how_to_object(reports):
    paper = (reports / "site" / "papers" / "2401.14948.html").read_text()
    for said in (
        ">unverified</span>", "supported by the paper", "The paper</th>", 'href="../runs/toy/cure/main.html#seed0"',
        "only CURE is right on 3, only PGD-AT on 7", "bootstrap of 2000 resamples from seed 0", "Seeds 0, 1; 40 images",
        "redoubt audit toy/cure/main", "redoubt challenge toy/cure/main", "what would turn it",
        "this is over those that both faced (natural, PGD-50)", "it would be +1.0 [-1.0, +3.0] points, direction holds",
            "2 of 3 seeds", "--attack file.py:attack",
        "one that fails makes the claim fail",
    ):  # fmt: skip
        assert said in paper, said
    assert paper.count("ours: a control</span>") == 2, "in the table of controls and with its evidence"


def test_checks_that_were_not_made_or_do_not_apply_are_told(reports):
    run = text(reports / "site" / "runs" / "toy" / "standard" / "main.html")
    assert "1 does not apply ablated part breaks" in run
    front = text(reports / "index.html")
    assert "Does not apply" in front


def test_what_a_figure_computes_stands_under_it(reports):
    assert "Found: it bends" in text(reports / "index.html")


def test_a_run_says_what_equals_the_authors_code_and_what_deviates(reports):
    page = lambda name: (reports / "site" / "runs" / "toy" / name / "main.html").read_text()
    run = page("pgd_at")
    for words in (
        "Equal to the authors' code in 1 comparison<", "tests/fidelity/test_pgd_at.py::test_steps",
        "1 deliberate deviation", "-2.5 [-4.0, -1.0] (toy, worst, 3 seeds, n 40)",
        '<code>pgd_at/main</code> <a href="main.html">toy</a>; effect: pgd_at/main - pgd_at/other = -2.5',
        'href="../../../fidelity.html#fidelity-PGD-AT-',
    ):  # fmt: skip
        assert words in run, words
    assert "What could not be compared" in page("cure")
    assert "deliberate deviation" not in page("cure")
    assert "No table says how standard compares" in page("standard")


def test_a_claim_lists_the_deviations_of_its_defenses_folded(reports, evidence):
    paper = (reports / "site" / "papers" / "2401.14948.html").read_text()
    assert paper.count("of its defenses from the authors' code: 1<") == 3, "those with comparisons"
    assert "<details><summary>Deliberate ones of" in paper
    assert paper.count("Effect: pgd_at/main - pgd_at/other = -2.5 [-4.0, -1.0]") == 3
    methods = list(load_all(evidence[3]).values())
    of = lambda **claim: [m.defenses[0] for m in touching(claim, methods)]
    assert of(comparisons=[{"left": "afd/main", "right": "pgd_at/main"}]) == ["pgd_at"]
    assert of(evidence=["results/toy/pgd_at/main/seed0.json", "elsewhere"]) == ["pgd_at"]
    assert of(evidence=["results/toy/cure/main/seed0.json"]) == [], "it has no deviation"
    assert of(comparisons=[{"left": "pssr/main", "right": None}], evidence=None) == []


def test_all_methods_stand_on_one_page(reports, evidence, tmp_path):
    words = " ".join(Page(reports / "site" / "fidelity.html").words.split())
    assert "cure, cure_eff, compared with no code: none is public" in words
    assert "PGD-AT" in words
    site.write(tmp_path, evidence[1], [])
    assert "No table is here" in Page(tmp_path / "site" / "fidelity.html").words


def test_equal_input_gives_equal_bytes_and_no_page_outlives_its_run(evidence, reports):
    content = lambda: {p: p.read_bytes() for p in (reports / "site").rglob("*") if p.is_file()}
    before = content()
    crate = (reports / "ro-crate-metadata.json").read_bytes()
    (reports / "site" / "runs" / "old.html").write_text("a run that is no more")
    site.write(*evidence)
    assert content() == before
    assert (reports / "ro-crate-metadata.json").read_bytes() == crate


def test_what_is_missing_is_said(evidence, tmp_path):
    site.write(tmp_path, evidence[1], [])
    front = Page(tmp_path / "index.html").words
    for words in ("claims.json is not there", "No figure is listed", "No table is listed"):
        assert words in front
    run = Page(tmp_path / "site" / "runs" / "toy" / "cure" / "main.html").words
    assert "No training record is here" in run


def test_a_long_table_is_cut_into_parts(evidence, tmp_path, monkeypatch):
    shutil.copytree(evidence[0] / "tables", tmp_path / "tables")
    shutil.copy(evidence[0] / "all_tables", tmp_path)
    monkeypatch.setattr(pages, "ROWS", 4)
    site.write(tmp_path, evidence[1], evidence[2])
    parts = [tmp_path / "site" / "tables" / f"evidence{part}.html" for part in ("", "-2", "-3")]
    rows = [Page(p).tags.count("tr") - 1 for p in parts]
    assert rows[:2] == [4, 4]
    assert "part 2 of" in Page(parts[1]).words


def test_a_damaged_record_is_refused(evidence, tmp_path):
    path = result(tmp_path, "pgd_at", "main", 0, [])
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1'))
    with pytest.raises(RedoubtError):
        site.write(tmp_path / "reports", [path], [])
    assert not (tmp_path / "reports" / "index.html").exists()


@pytest.mark.parametrize("text", ["59.0 [54.6, 63.2]", "+1.2", "-0.6 [-3.4, +2.1]", ".5", "2 of 3"])
def test_what_counts_as_a_number(text):
    assert NUMBER.match(text)
    assert not NUMBER.match(f"a {text}")


def test_an_anchor_holds_no_white_space():
    assert anchor("attack", "a b\tc") == "attack-a-b-c"


def test_what_would_turn_a_claim_in_part_is_what_was_not_compared():
    claim = {"comparisons": [{"value": 1.0, "outcome": "direction holds"}], "verdict": "not told apart"}
    assert sentences.turns(claim) == "It would hold where the comparisons that were not made here do too."
