"""What the pages say is there is there: links, files, commands, rules, packages, fields of records."""

import re
import tomllib

import pytest
import typer

from redoubt import data
from redoubt.cli.app import app
from redoubt.config import load_study
from redoubt.evaluation.evaluator import attack_run
from redoubt.records import results
from redoubt.records.files import read_record
from redoubt.reports import exhibits
from redoubt.training.trainer import Trainer
from tests.conftest import REPO, run_of

PAGES = [
    REPO / name
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "reports/README.md", "benchmarks/README.md")
] + sorted((REPO / "docs").glob("*.md"))
ARCHITECTURE = (REPO / "docs" / "architecture.md").read_text()
pages = pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(REPO).as_posix())


def code(page) -> list[str]:
    """What a page writes as code: blocks, and words between backticks."""
    text = page.read_text()
    blocks = re.findall(r"```\w*\n(.*?)```", text, re.S)
    return blocks + re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.S))


def anchors(page) -> set[str]:
    """The anchors that a forge gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def section(heading: str) -> str:
    """What stands under a heading of docs/architecture.md, up to the next one."""
    return re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", ARCHITECTURE, re.S | re.M)[1]


def first_column(text: str) -> list[str]:
    """The names in the first column of a table."""
    rows = re.findall(r"^\| (`.+?) \|", text, re.M)
    return [name for row in rows for name in re.findall(r"`(\w+)`", row)]


def test_the_front_page_is_one():
    text = (REPO / "README.md").read_text()
    assert len(text.splitlines()) <= 150
    linked = set(re.findall(r"\]\((docs/[\w-]+\.md)\)", text))
    assert linked == {p.relative_to(REPO).as_posix() for p in (REPO / "docs").glob("*.md")}


@pages
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.is_file(), target
        assert not anchor or anchor in anchors(there), target


@pages
def test_every_file_that_is_named_is_there(page):
    kept = r"(?<![\w/])(?!benchmarks/out)((?:src|tests|studies|claims|notebooks|profiles|benchmarks|docs)/[\w./*-]+)"
    for path in (found for words in code(page) for found in re.findall(kept, words)):
        assert list(REPO.glob(path.rstrip("/."))), path


@pages
def test_every_command_is_there(page):
    known = set(typer.main.get_command(app).commands)
    targets = set(re.findall(r"^([a-z-]+):", (REPO / "Makefile").read_text(), re.M))
    for words in code(page):
        assert set(re.findall(r"(?<![\w./-])redoubt ([a-z]+)", words)) <= known, words
        assert set(re.findall(r"(?<![\w./-])make ([a-z-]+)", words)) <= targets, words


def test_the_list_of_exhibits_is_what_the_code_makes():
    page = exhibits.page(exhibits.default(REPO))
    assert (REPO / "docs" / "exhibits.md").read_text() == page, "run `redoubt schema`"


def test_the_drawing_holds_every_rule():
    text = (REPO / "Snakefile").read_text()
    rules = set(re.findall(r"^rule (\w+):", text, re.M)) - {"all"}
    rules |= {name for name in re.findall(r'f"(\w+?)(?:_seeds)?_\{', text)}
    assert len(rules) == 10
    drawn = set(re.findall(r"^ +(\w+) -", ARCHITECTURE, re.M)) | set(
        re.findall(r"> (\w+)$", ARCHITECTURE, re.M)
    )
    assert rules <= drawn
    assert rules == set(first_column(section("The DAG")))


def test_the_table_of_packages_is_the_contract_of_the_layers():
    contracts = tomllib.loads((REPO / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = [c["layers"] for c in contracts if c["type"] == "layers"]
    assert first_column(section("The packages")) == [
        name.strip() for layer in layers for name in layer.split(":")
    ]


@pytest.fixture
def records(root):
    """A training record and a result record of the smoke study, and the file of the second."""
    run, dataset = run_of(root), data.load(root / "data" / "smoke")
    Trainer(root, run, dataset, "cpu").train()
    attack_run(root, load_study(root / "studies" / "smoke.yaml"), run, dataset, "cpu")
    path = root / "results" / f"{run.path}.json"
    return read_record(root / "checkpoints" / run.path / "record.json", ""), results.read(path), path


def test_every_field_of_a_record_is_described(records):
    trained, judged, _ = records
    described = lambda heading: sorted(first_column(section(heading)))
    assert described("Training record") == sorted(trained)
    assert described("Result record") == sorted(judged)
    for record in (trained, judged):
        assert described("Provenance") == sorted(record["provenance"])
    assert judged["checks"]
    for heading, rows in (("Evaluation", judged["evaluations"]), ("Check", judged["checks"])):
        assert all(described(heading) == sorted(row) for row in rows)


def test_a_record_is_read_by_hand_as_the_page_says(records):
    _, judged, path = records
    (block,) = re.findall(r"```python\n(.*?)```", section("Records"), re.S)
    assert "results/digits_ablations/trades/main/seed0.json" in block
    names: dict = {}
    exec(block.replace("results/digits_ablations/trades/main/seed0.json", path.as_posix()), names)
    assert names["correct"].sum() == judged["evaluations"][-1]["correct_count"]
    path.write_text(path.read_text().replace('"schema": 1', '"schema": 2'))
    with pytest.raises(AssertionError):
        exec(block.replace("results/digits_ablations/trades/main/seed0.json", path.as_posix()), {})
