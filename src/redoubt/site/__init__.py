"""`reports/index.html`: one page that opens from disk, every table and figure inside it."""

import base64
import json
from pathlib import Path

from jinja2 import Environment, PackageLoader, select_autoescape
from markupsafe import Markup

from redoubt.provenance import write_whole


def write(reports: Path) -> None:
    """Writes the page from the tables and figures that lie below `reports`."""
    listed = json.loads((reports / "all_tables").read_text(encoding="utf-8"))["tables"]
    # The only raw markup is what pandas wrote and escaped; whatever else comes from a file is escaped here.
    tables = [
        (t, Markup((reports / "tables" / f"{t['table']}.html").read_text(encoding="utf-8"))) for t in listed
    ]
    figures = json.loads((reports / "all_figures").read_text(encoding="utf-8"))["figures"]
    for f in figures:
        png = (reports / "figures" / f"{f['figure']}.png").read_bytes()
        f["source"] = "data:image/png;base64," + base64.b64encode(png).decode()
    environment = Environment(loader=PackageLoader("redoubt.site"), autoescape=select_autoescape())
    page = environment.get_template("index.html").render(tables=tables, figures=figures)
    write_whole(reports / "index.html", page.encode())
