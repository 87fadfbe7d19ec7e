// What a page does once it is read: theme, search, sorting, filtering, enlarging figures. Without it all is shown.
"use strict";

const html = document.documentElement;
html.classList.add("js");

function stored(value) {
  try { // a browser may refuse storage to a page from disk
    if (value === undefined) return localStorage.getItem("redoubt-theme");
    localStorage.setItem("redoubt-theme", value);
  } catch { /* the theme then lasts as long as the page */ }
  return null;
}
if (["light", "dark"].includes(stored())) html.dataset.theme = stored();

const dark = () => html.dataset.theme ? html.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const say = (text) => { document.getElementById("said").textContent = text; };

function theme() {
  const button = document.getElementById("theme");
  const show = () => button.setAttribute("aria-pressed", String(dark()));
  button.addEventListener("click", () => {
    html.dataset.theme = dark() ? "light" : "dark";
    stored(html.dataset.theme);
    show();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  show();
}

// "58.8 ± 2.0" and "59.0 [54.6, 63.2]" count as 58.8 and 59.0; NaN where no number leads.
function leading(text) {
  const found = text.replace("−", "-").match(/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?/i);
  return found ? Number(found[0]) : NaN;
}

function sort(table, column, down) {
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => {
    const cell = row.cells[column], text = (cell.dataset.sort ?? cell.textContent).trim();
    return { row, text: text === "–" ? "" : text, number: leading(text) };
  });
  const filled = rows.filter((r) => r.text);
  const numbers = filled.length > 0 && filled.every((r) => !Number.isNaN(r.number));
  const compare = numbers ? (a, b) => a.number - b.number
    : (a, b) => a.text.localeCompare(b.text, "en", { numeric: true, sensitivity: "base" });
  filled.sort((a, b) => (down ? -1 : 1) * compare(a, b));
  body.append(...filled.map((r) => r.row), ...rows.filter((r) => !r.text).map((r) => r.row)); // empty cells last
}

function sortable(table) {
  const heads = all("thead th", table);
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      sort(table, column, down);
      say(`Sorted by ${button.textContent}, ${down ? "descending" : "ascending"}`);
    });
  });
}

function filterable(table) {
  const input = document.querySelector(`[data-filter="${table.id}"]`);
  const chips = all(`[data-chip][data-table="${table.id}"]`);
  if (!input) return;
  const count = document.querySelector(`[data-count="${table.id}"]`);
  const rows = [...table.tBodies[0].rows].map((row) => ({ row, text: row.textContent.toLowerCase() }));
  const show = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = chips.filter((c) => c.getAttribute("aria-pressed") === "true").map((c) => c.dataset.chip);
    let left = 0;
    for (const { row, text } of rows) {
      const kept = words.every((w) => text.includes(w)) && (!chosen.length || chosen.includes(row.dataset.chip));
      row.hidden = !kept;
      left += kept;
    }
    count.textContent = left === rows.length ? `${left} row${left === 1 ? "" : "s"}` : `${left} of ${rows.length} rows`;
  };
  input.addEventListener("input", show);
  chips.forEach((chip) => chip.addEventListener("click", () => {
    chip.setAttribute("aria-pressed", String(chip.getAttribute("aria-pressed") !== "true"));
    show();
    say(count.textContent);
  }));
}

function searchable() {
  const input = document.getElementById("search"), panel = document.getElementById("found");
  const root = document.body.dataset.root;
  const close = () => { panel.hidden = true; };
  const link = (entry) => {
    const a = document.createElement("a"), small = document.createElement("small");
    a.href = root + entry.href;
    a.textContent = entry.title;
    small.textContent = entry.text ? `${entry.kind} · ${entry.text.slice(0, 110)}` : entry.kind;
    a.append(small);
    a.addEventListener("click", close);
    return a;
  };
  const show = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    panel.hidden = !words.length;
    const hits = (window.redoubtIndex || []).filter((e) => {
      const text = `${e.kind} ${e.title} ${e.text}`.toLowerCase();
      return words.every((w) => text.includes(w));
    });
    const said = document.createElement("p");
    said.textContent = hits.length > 30 ? `30 of ${hits.length} found` : `${hits.length} found`;
    panel.replaceChildren(said, ...hits.slice(0, 30).map(link));
    if (words.length) say(said.textContent);
  };
  input.addEventListener("input", show);
  input.addEventListener("focus", () => { if (input.value) show(); });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input, textarea, select");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) { event.preventDefault(); input.focus(); }
    if (!event.target.closest(".search") || panel.hidden) return;
    const links = all("a", panel), at = links.indexOf(document.activeElement);
    if (event.key === "Escape") { input.focus(); close(); }
    if (event.key === "Enter" && event.target === input) links[0]?.click();
    if (event.key === "ArrowDown") { event.preventDefault(); links[Math.min(at + 1, links.length - 1)]?.focus(); }
    if (event.key === "ArrowUp") { event.preventDefault(); (at > 0 ? links[at - 1] : input).focus(); }
  });
  document.addEventListener("click", (event) => { if (!event.target.closest(".search")) close(); });
  document.addEventListener("focusin", (event) => { if (!event.target.closest(".search")) close(); });
}

function zoomable() {
  const dialog = document.getElementById("zoom");
  if (!dialog) return;
  const stage = dialog.querySelector(".stage"), picture = dialog.querySelector("img");
  const resize = (factor) => { picture.width = Math.round(Math.min(12000, Math.max(100, picture.width * factor))); };
  const fit = () => {
    const ratio = picture.naturalWidth / picture.naturalHeight || 1;
    picture.width = Math.round(Math.min(stage.clientWidth, stage.clientHeight * ratio));
  };
  const act = { in: () => resize(1.4), out: () => resize(1 / 1.4), fit, close: () => dialog.close() };
  all("[data-zoom]", dialog).forEach((b) => b.addEventListener("click", () => act[b.dataset.zoom]()));
  const keys = { "+": act.in, "=": act.in, "-": act.out, "0": fit };
  dialog.addEventListener("keydown", (event) => keys[event.key]?.());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  all("a.zoom").forEach((a) => a.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    picture.alt = a.querySelector("img").alt;
    picture.onload = fit;
    picture.src = a.href;
    dialog.showModal();
    fit();
  }));
}

// Every row of the attack that the address names, and not only its first, is marked.
function mark() {
  const name = decodeURIComponent(location.hash.slice(1));
  all("[data-part]").forEach((row) => row.classList.toggle("marked", row.dataset.part === name));
  document.getElementById(name)?.closest("details")?.setAttribute("open", "");
}

addEventListener("DOMContentLoaded", () => {
  theme();
  all("table.data").forEach((table) => { filterable(table); sortable(table); });
  searchable();
  zoomable();
  mark();
});
addEventListener("hashchange", mark);
addEventListener("click", (event) => { // an address that is already there changes nothing, and its fold may be closed
  if (event.target.closest?.("a")?.hash && event.target.closest("a").href === location.href) mark();
});
addEventListener("beforeprint", () => all("details:not([open])").forEach((d) => { d.open = true; d.dataset.printed = ""; }));
addEventListener("afterprint", () => all("details[data-printed]").forEach((d) => { d.open = false; delete d.dataset.printed; }));
