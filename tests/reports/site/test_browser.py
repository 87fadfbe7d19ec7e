"""The site in a real browser, from disk, with the network off: Debian's Chromium driven by Playwright."""

import os
import shutil
from pathlib import Path

import pytest

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
if CHROMIUM is None:
    pytest.skip("no Chromium on this machine (Debian: apt install chromium)", allow_module_level=True)
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

PAGES = {
    "front": "index.html",
    "paper": "site/papers/2401.14948.html",
    "run": "site/runs/toy/pgd_at/main.html",
    "table": "site/tables/checks.html",
    "fidelity": "site/fidelity.html",
    "rest": "site/papers/2401.14948-rest.html",
    "review": "site/review.html",
}
# Text with too little contrast against the first background that is painted behind it (WCAG 2.2, 1.4.3: 4.5 to 1).
FAINT = """() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const linear = (v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = (c) => [0.2126, 0.7152, 0.0722].reduce((sum, part, i) => sum + part * linear(c[i] / 255), 0);
  const behind = (e) => { for (; e; e = e.parentElement) {
    const c = rgba(getComputedStyle(e).backgroundColor); if (c[3] > 230) return c; } return [255, 255, 255, 255]; };
  const faint = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode());) {
    const e = node.parentElement;
    if (!node.textContent.trim() || !e.checkVisibility() || e.closest("svg")) continue;
    const [a, b] = [light(rgba(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) faint.add(`${e.tagName}.${e.className}: ${node.textContent.trim()}`);
  }
  return [...faint];
}"""


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as p:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        running = p.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield running
        running.close()


@pytest.fixture
def visit(browser, reports):
    """Opens a page from disk without a network; fails at the end if anything was complained about or fetched."""
    contexts, troubles = [], []

    def opened(page: str, width: int = 1200, scheme: str = "light"):
        context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True
        )
        contexts.append(context)
        tab = context.new_page()
        tab.set_default_timeout(5000)
        tab.on("console", lambda said: troubles.append(said.text))
        tab.on("pageerror", lambda error: troubles.append(str(error)))
        tab.on("dialog", lambda dialog: troubles.append(f"dialog {dialog.message}"))
        tab.on("requestfailed", lambda request: troubles.append(request.url))
        tab.on("request", lambda r: r.url.startswith(("file:", "data:")) or troubles.append(r.url))
        tab.goto(Path(reports / page).as_uri())
        return tab

    yield opened
    for context in contexts:
        context.close()
    assert troubles == []


def defenses(tab) -> list[str]:
    shown = tab.locator("#main-table tbody tr:visible th").all_inner_texts()
    return [text.splitlines()[0] for text in shown]  # below the name: how many seeds, where they are few


def column(tab, table: str, index: int) -> list[str]:
    rows = tab.locator(f"#{table} tbody tr:visible td:nth-child({index})")
    return [text.strip() for text in rows.all_inner_texts()]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_it_reads_well_in_both_schemes(visit, page, scheme):
    tab = visit(page, scheme=scheme)
    assert tab.evaluate(FAINT) == []
    assert tab.locator("h1").count() == 1
    paper = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(251, 250, 248)") == (scheme == "light")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_axe_finds_nothing(visit, page, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    tab = visit(page, scheme=scheme)
    tab.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    found = axe.Axe().run(tab, options={"preload": False}).response["violations"]
    assert [(v["id"], n["target"]) for v in found for n in v["nodes"]] == []


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_a_phone_scrolls_down_only(visit, page):
    tab = visit(page, width=390)
    assert tab.evaluate("document.documentElement.scrollWidth") == 390


def test_the_first_screen_asks_finds_and_counts(visit):
    tab = visit(PAGES["front"])
    for text in ("What was asked", "What was found"):
        assert tab.get_by_role("heading", name=text).bounding_box()["y"] < 800
    assert tab.locator(".headlines li").first.bounding_box()["y"] < 700


def test_columns_sort_by_the_leading_number_and_by_text(visit):
    tab = visit(PAGES["front"])
    head = tab.locator("#main-table thead th", has_text="PGD-50")
    place = tab.locator("#main-table thead th").all_inner_texts().index(head.inner_text()) + 1
    numbers = lambda: [float(text.split()[0]) for text in column(tab, "main-table", place)]
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert numbers() == sorted(numbers())
    head.get_by_role("button").focus()
    tab.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert numbers() == sorted(numbers(), reverse=True)
    tab.locator("#main-table thead th", has_text="Defense").get_by_role("button").click()
    assert defenses(tab) == ["CURE", "PGD-AT", "standard"]
    assert tab.locator("#main-table [aria-sort]").count() == 1


def test_empty_cells_come_last_either_way(visit):
    tab = visit(PAGES["front"])
    for _ in range(2):
        tab.locator("#claims-table th", has_text="Paper says").get_by_role("button").click()
        assert column(tab, "claims-table", 4)[0] == "52.25"


def test_a_measurement_sorts_by_its_first_value_though_the_cell_begins_with_words(visit):
    tab = visit(PAGES["front"])
    tab.locator("#claims-table th", has_text="Measured").get_by_role("button").click()
    shown = column(tab, "claims-table", 5)
    assert "-5.0 [-9.0, -1.0] points, expected above 0" in shown[0]
    assert "-4.0 [-9.0, -1.0]" in shown[2]
    assert shown[3] == "–"


def test_rows_are_filtered_by_words_and_by_verdict(visit):
    tab = visit(PAGES["front"])
    tab.get_by_label("Filter the rows of the leaderboard of toy").fill("CURE")
    assert defenses(tab) == ["CURE"]
    assert tab.locator('[data-count="main-table"]').inner_text() == "1 of 3 rows"
    tab.get_by_role("button", name="flagged").click()
    assert len(column(tab, "claims-table", 1)) == 1
    assert "flagged" in column(tab, "claims-table", 1)[0]
    tab.get_by_role("button", name="flagged").click()
    assert len(column(tab, "claims-table", 1)) == 7


@pytest.mark.parametrize("words", ["PGD-50", "PGD-AT"])
def test_search_finds_attacks_and_what_defenses_are_called(visit, words):
    tab = visit(PAGES["front"])
    tab.keyboard.press("/")
    tab.keyboard.type(words)
    assert tab.locator("#found a").count() > 0


def test_search_finds_a_run_by_keyboard_alone(visit):
    tab = visit(PAGES["paper"])
    tab.keyboard.press("/")
    tab.keyboard.type("toy/pgd_at")
    tab.keyboard.press("ArrowDown")
    assert "toy/pgd_at/main" in tab.evaluate("document.activeElement.textContent")
    tab.keyboard.press("Escape")
    assert not tab.locator("#found").is_visible()
    tab.keyboard.type("/main")
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/site/runs/toy/pgd_at/main.html")


def test_a_number_leads_to_marked_rows(visit):
    tab = visit(PAGES["front"])
    tab.locator('#main-table a[href$="pgd_at/main.html#attack-pgd50"]').click()
    tab.wait_for_url("**/main.html#attack-pgd50")
    assert tab.locator("tr.marked").count() == 2
    assert set(column(tab, "attacks-table", 1)) == {"clean", "worst", "pgd50"}


def test_the_keyboard_reaches_everything_and_focus_is_seen(visit):
    tab = visit(PAGES["front"])
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert tab.locator(".skip").bounding_box()["y"] >= 0
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.id") == "content"
    tab.keyboard.press("Tab")
    assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    unreachable = "[...document.querySelectorAll('a, button, .wide')].filter(e => e.tabIndex < 0).length"
    assert tab.evaluate(unreachable) == 0


def test_the_theme_is_toggled_and_kept(visit):
    tab = visit(PAGES["front"])
    tab.locator("#theme").click()
    assert tab.locator("#theme").get_attribute("aria-pressed") == "true"
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 27)"
    tab.reload()
    assert tab.evaluate("document.documentElement.dataset.theme") == "dark"


def test_a_figure_is_enlarged_and_closed_by_keyboard(visit):
    tab = visit(PAGES["front"])
    tab.locator("a.zoom").focus()
    tab.keyboard.press("Enter")
    picture = tab.locator("#zoom img")
    assert picture.is_visible()
    before = picture.bounding_box()["width"]
    tab.keyboard.press("+")
    assert picture.bounding_box()["width"] > before
    tab.keyboard.press("Escape")
    assert not picture.is_visible()
    assert tab.evaluate("document.activeElement.className") == "zoom"


def test_paper_shows_all_rows_and_no_controls(visit):
    tab = visit(PAGES["front"], scheme="dark")
    tab.get_by_label("Filter the rows of the claims").fill("no such word")
    assert column(tab, "claims-table", 1) == []
    tab.emulate_media(media="print")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert len(column(tab, "claims-table", 1)) == 7
    assert not tab.locator(".bar").is_visible()
    assert tab.locator(".wide").first.evaluate("e => getComputedStyle(e).overflow") == "visible"


def test_without_scripts_all_is_there(browser, reports):
    context = browser.new_context(java_script_enabled=False, offline=True)
    tab = context.new_page()
    tab.goto(Path(reports / "index.html").as_uri())
    assert tab.locator("#claims-table tbody tr").count() == 7
    assert not tab.locator("#search").is_visible()
    context.close()


def test_the_leaderboard_shows_what_decides_without_scrolling(visit):
    tab = visit(PAGES["front"], width=1280)
    assert defenses(tab) == ["PGD-AT", "CURE", "standard"], "sorted by the worst case"
    for head in ("worst case", "natural", "checks"):
        box = tab.locator("#main-table th", has_text=head).bounding_box()
        assert box["x"] + box["width"] < 1280, head
    wide, name = tab.locator(".wide:has(> #main-table)"), tab.locator("#main-table tbody th").first
    wide.evaluate("e => { e.style.width = '300px'; e.scrollLeft = 200; }")
    assert wide.evaluate("e => e.scrollLeft") > 0
    assert abs(name.bounding_box()["x"] - wide.bounding_box()["x"]) < 2, "the name stays in view"


def test_a_phone_gets_a_card_a_defense(visit):
    tab = visit(PAGES["front"], width=375)
    assert tab.evaluate("document.documentElement.scrollWidth") == 375
    cards = tab.locator("#main-table tbody tr")
    boxes = [cards.nth(i).bounding_box() for i in range(cards.count())]
    assert all(b["width"] > 300 and b["height"] > 100 for b in boxes)
    label = cards.first.locator("td").first.evaluate("e => getComputedStyle(e, '::before').content")
    assert label == '"worst case"'
    assert cards.first.get_by_role("rowheader").inner_text() == "PGD-AT", "still a table to a screen reader"
