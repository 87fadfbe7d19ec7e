"""The images of a study: prepared, and refused where they were prepared with other settings than it has today."""

from pathlib import Path
from typing import Any

from redoubt import data
from redoubt.config.schema import Study
from redoubt.errors import RedoubtError


def prepare(root: Path, study: Study, mirror: Path | str | None) -> None:
    """Makes `root/data/STUDY`, as `data.prepare` does.

    Args:
        mirror: looked at before the network.
    """
    sizes = {k: getattr(study.data, k) for k in ("validation", "test", "train", "image_size")}
    data.prepare(study.data.name, root / "data" / study.name, mirror=mirror, **sizes)


def images_of(root: Path, study: Study) -> data.Dataset:
    """The images under `root/data/STUDY`, every file hashed.

    Raises:
        RedoubtError: they are not prepared, altered, or of other settings than the study's.
    """
    folder = root / "data" / study.name
    found = data.load(folder)
    if others := other_settings(study, found.record):
        key, asked, held = others[0]
        raise RedoubtError(
            "these images were prepared with other settings than the study has today",
            file=folder / "record.json", key=f"data.{key}", value=held, allowed=str(asked),
            hint=f"redoubt prepare {study.name}",
        )  # fmt: skip
    return found


def other_settings(study: Study, record: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """(key, what the study asks for, what the images are) of every setting of the data that differs."""
    asked = study.data.model_dump()
    size = asked["image_size"] or data.describe(study.data.name).image_size
    request = record["request"] if isinstance(record["request"], dict) else {}
    held = {"name": record["name"], "image_size": record["info"]["image_size"], **request}
    return [
        (key, value, held.get(key))
        for key, value in {**asked, "image_size": size}.items()
        if held.get(key) != value
    ]
