"""Tables, figures, pages and the verdicts of audits against the lists and hashes that they came with."""

from collections.abc import Iterator
from pathlib import Path

from redoubt.audit.findings import Finding, name_of
from redoubt.errors import RedoubtError
from redoubt.records import crate_seal
from redoubt.records.files import is_whole, read_json, read_record, sha256


def reports(root: Path) -> Iterator[Finding]:
    """The tables and figures that the two lists name, then every other file that the pages came with."""
    known: set[str] = set()
    for listing, key, place in (("all_tables", "tables", "table"), ("all_figures", "figures", "figure")):
        path = root / "reports" / listing
        if not path.is_file():
            continue
        try:
            content = read_json(path, f"snakemake reports/{listing}")
            if "sha256" in content and not is_whole(path.read_bytes()):
                raise RedoubtError("it does not match its own hash")
            listed = {f"{e[place]}.{kind}": h for e in content[key] for kind, h in e["sha256"].items()}
        except (RedoubtError, KeyError, TypeError, AttributeError) as error:
            yield Finding("reports", name_of(root, path), "bad", f"this is not a list of {key}: {error}")
            continue
        for name, digest in listed.items():
            here = root / "reports" / key / name
            known.add(f"{key}/{name}")
            state = "absent" if not here.is_file() else "good" if sha256(here) == digest else "bad"
            why = {
                "absent": f"snakemake reports/{listing}",
                "bad": f"not the file that reports/{listing} lists",
            }
            yield Finding("reports", name_of(root, here), state, why.get(state, ""))
    yield from _pages(root, known)


def _pages(root: Path, known: set[str]) -> Iterator[Finding]:
    """What the description of the folder lists: pages, their copies of records, notebooks, claims and lists."""
    path, again = root / "reports" / crate_seal.NAME, "snakemake reports/index.html"
    if not path.is_file():
        return
    content = path.read_bytes()
    if not crate_seal.is_whole(content):
        yield Finding("reports", name_of(root, path), "bad", "it does not match its own hash")
        return
    yield Finding("reports", name_of(root, path), "good")
    for name, digest in crate_seal.files(content).items():
        here = root / "reports" / name
        if name in known:
            continue
        if not here.is_file():
            yield Finding("reports", name_of(root, here), "absent", again)
        elif sha256(here) == digest:
            yield Finding("reports", name_of(root, here), "good")
        elif is_whole(here.read_bytes()):  # a list that carries its own hash was made since
            yield Finding(
                "reports", name_of(root, here), "stale", f"the pages are of an earlier one: {again}"
            )
        else:
            why = f"not the file that {crate_seal.NAME} lists; where it was made anew: {again}"
            yield Finding("reports", name_of(root, here), "bad", why)


def audits(root: Path) -> Iterator[Finding]:
    """The verdicts of audits against their own hash."""
    for path in sorted(root.glob("audits/*/*/*/audit.json")):
        try:
            read_record(path, "redoubt audit")
            yield Finding("audits", name_of(root, path), "good")
        except RedoubtError as error:
            yield Finding("audits", name_of(root, path), "bad", error.what)
