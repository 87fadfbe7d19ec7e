"""What an editor and a reader need of the models: `studies/schema.json` and `studies/defaults.md`."""

import json
from pathlib import Path

from redoubt import defenses
from redoubt.config.schema import Config, Study
from redoubt.params import source


def schema() -> str:
    """JSON schema of a study file and of config.yaml."""
    both = {"study": Study.model_json_schema(), "config": Config.model_json_schema()}
    return json.dumps(both, indent=1, sort_keys=True) + "\n"


def defaults() -> str:
    """Every hyper-parameter of every defense, its default and where that comes from, as Markdown."""
    lines = ["# Hyper-parameters of the defenses", "", "Written by `redoubt schema`.", ""]
    for name in defenses.names():
        fields = defenses.parameters_of(name).model_fields
        lines += [f"## {name}", ""]
        if not fields:
            lines += ["None.", ""]
            continue
        lines += ["| hyper-parameter | default | source |", "| --- | --- | --- |"]
        for key, field in fields.items():
            default = "required" if field.is_required() else field.default
            lines.append(f"| `{key}` | {default} | {source(field)} |")
        lines.append("")
    return "\n".join(lines)


def write(root: Path) -> None:
    """Writes both files below `root/studies`."""
    (root / "studies" / "schema.json").write_text(schema(), encoding="utf-8")
    (root / "studies" / "defaults.md").write_text(defaults(), encoding="utf-8")
