"""Read YAML into the typed models; whatever is wrong becomes one readable error."""

import math
import re
import types
import typing
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from redoubt.config.schema import NAME, Config
from redoubt.errors import RedoubtError, nearest

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


LARGEST = 100_000  # values of one file, with every alias written out; cifar10.yaml has about 3,000


class _UniqueKeys(_Loader):
    """A YAML loader that refuses a key that is given twice, and aliases that stand for too much."""

    def get_single_node(self):
        node = super().get_single_node()
        if node is not None and _size(node, {}) > LARGEST:
            raise yaml.constructor.ConstructorError(
                None, None, f"its aliases stand for more than {LARGEST:,} values", node.start_mark
            )
        return node

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key is a single word or number", key_node.start_mark
                )
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is given twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def _size(node: yaml.Node, known: dict[int, float]) -> float:
    """How many values a node stands for; a node inside itself for infinitely many."""
    if id(node) not in known:
        known[id(node)] = math.inf
        held: list[Any] = [] if isinstance(node, yaml.ScalarNode) else node.value
        parts = [part for one in held for part in (one if isinstance(one, tuple) else (one,))]
        known[id(node)] = 1 + sum(_size(part, known) for part in parts)
    return known[id(node)]


def read_yaml(path: Path) -> Any:
    """The content of a YAML file.

    Raises:
        RedoubtError: the file is missing, cannot be read or is not YAML; names the line.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _UniqueKeys)
    except FileNotFoundError:
        siblings = [p.stem for p in path.parent.glob("*.yaml")] if path.parent.is_dir() else []
        raise RedoubtError(
            "there is no such file", file=path, allowed=sorted(siblings), nearest=nearest(path.stem, siblings)
        ) from None
    except OSError as error:
        raise RedoubtError(f"this cannot be read: {error.strerror}", file=path) from None
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        raise RedoubtError(
            f"this is not readable as YAML: {' '.join(str(error).split())}", file=path
        ) from None


def studies(root: Path) -> list[str]:
    """The names of the studies that lie in `root/studies`."""
    return sorted(p.stem for p in (root / "studies").glob("*.yaml"))


def study_file(root: Path, name: str) -> Path:
    """Where the study of a name lies; RedoubtError for what is no name, such as a way out of the project."""
    if not re.fullmatch(NAME, name):
        known = studies(root)
        raise RedoubtError("unknown study", value=name, allowed=known, nearest=nearest(name, known))
    return root / "studies" / f"{name}.yaml"


def load_config(path: Path) -> Config:
    """`config.yaml`, checked; every study that it names exists."""
    config = parse(Config, read_yaml(path), path)
    known = studies(path.parent)
    for name in config.studies:
        if name not in known:
            raise RedoubtError(
                "unknown study",
                file=path,
                key="studies",
                value=name,
                allowed=known,
                nearest=nearest(name, known),
            )
    return config


def mirror_of(root: Path) -> str | None:
    """The folder that `config.yaml` names to be looked at before the network; None where there is no such file."""
    path = root / "config.yaml"
    return load_config(path).mirror if path.is_file() else None


def parse(model: type[BaseModel], content: Any, path: Path | str, at: str = "") -> Any:
    """`content` as `model`.

    Raises:
        RedoubtError: names the file, the dotted key, the value, what is allowed, and the nearest match.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise _readable(model, error, path, at) from None


def _readable(model: type[BaseModel], error: ValidationError, path: Path | str, at: str) -> RedoubtError:
    # A misspelled key is also a missing one: the spelling is what to say.
    first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    loc = [p for p in first["loc"] if p != "[key]"]
    key = ".".join([at, *map(str, loc)] if at else map(str, loc))
    context = first.get("ctx", {})
    if first["type"] == "extra_forbidden":
        fields = sorted(getattr(_model_at(model, loc[:-1]), "model_fields", {}))
        return RedoubtError(
            "unknown key",
            file=path,
            key=key,
            value=first["input"],
            allowed=fields,
            nearest=nearest(loc[-1], fields),
        )
    if first["type"] == "missing":
        return RedoubtError(
            "a required key is missing", file=path, key=key, hint=f"add it: {_about(model, loc)}"
        )
    allowed = context.get("expected") or _limits(context)
    words = [w.strip("' ") for w in str(context.get("expected", "")).replace(" or ", ",").split(",") if w]
    what = first["msg"].removeprefix("Value error, ")
    return RedoubtError(
        what[0].lower() + what[1:],
        file=path,
        key=key or None,
        value=first["input"],
        allowed=allowed or None,
        nearest=nearest(first["input"], words) if words else None,
    )


def _limits(context: dict) -> str:
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<", "pattern": "names like", "min_length": "length >="}
    return " and ".join(f"{signs[k]} {v}" for k, v in context.items() if k in signs)


def _about(model: type[BaseModel], loc: list) -> str | None:
    parent = _model_at(model, loc[:-1])
    found = getattr(parent, "model_fields", {}).get(loc[-1])
    return found.description if found else None


def _model_at(model: Any, loc: list) -> Any:
    """The model that stands at `loc` below `model`: walks fields, optional ones, and mappings by name."""
    for part in loc:
        if isinstance(model, type) and issubclass(model, BaseModel):
            found = model.model_fields.get(part)
            model = _plain(found.annotation) if found else None
        elif typing.get_origin(model) is dict:
            model = _plain(typing.get_args(model)[1])
    return model


def _plain(annotation: Any) -> Any:
    """An annotation without `| None` and `Annotated`."""
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return _plain(next(a for a in typing.get_args(annotation) if a is not type(None)))
    return _plain(typing.get_args(annotation)[0]) if origin is typing.Annotated else annotation
