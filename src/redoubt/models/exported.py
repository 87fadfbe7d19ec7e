"""A program of `torch.export` (`.pt2`) as a module: `program(Path("model.pt2"))`.

torch's own reader unpickles and evaluates parts of the archive. What it would read is therefore looked at first, as
JSON: an archive is refused unless it holds tensors as plain bytes and a graph of torch's own operations, with names
and sizes that are nothing but that.
"""

import io
import json
import re
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from torch import Tensor, nn

from redoubt.errors import RedoubtError
from redoubt.models.weights import check_hash

FILES = re.compile(
    r"(archive_format|archive_version|byteorder|version|\.data/.*|\.format_version|\.storage_alignment"
    r"|models/model\.json|data/weights/weight_\d+|data/constants/tensor_\d+|data/sample_inputs/model\.pt"
    r"|data/(weights|constants)/model_(weights|constants)_config\.json)"
)
OPERATION = re.compile(
    r"torch\.ops\.(aten|prims|higher_order)\.(?!from_file)\w+(\.\w+)?"
    r"|_operator\.(getitem|add|sub|mul|floordiv|truediv|mod|neg|pow|le|lt|ge|gt|eq|ne|and_|or_)"
    r"|math\.(trunc|ceil|floor)|torch\.sym_(int|float|max|min|not|sqrt)"
)
NAME = re.compile(r"[\w.]*")
WORDS = (
    "Symbol|Integer|Rational|Float|Add|Mul|Pow|Max|Min|Mod|PythonMod|FloorDiv|CleanDiv|IntTrueDiv|CeilToInt|FloorToInt"
    "|ToFloat|Eq|Ne|Le|Lt|Ge|Gt|positive|negative|nonnegative|nonzero|integer|real|finite|True|False|oo|int_oo"
)
SIZE = re.compile(rf"('[su]\d+'|\b({WORDS}|[su]\d+|\d+(\.\d+)?)\b|[-+*/(),<>= ])*")  # of a symbolic size
CONTAINERS = (None, "builtins.tuple", "builtins.list", "builtins.dict")


class Program(nn.Module):
    """An exported graph with the manners of a module.

    A graph of a fixed batch gets its batches, the last one filled up with zeros.

    Attributes:
        batch: images of a call, None where any number goes.
    """

    def __init__(self, graph: nn.Module, batch: int | None):
        super().__init__()
        self._graph = (graph,)  # in a tuple: an exported graph has no eval mode, and asking for it raises
        self.batch = batch

    def forward(self, x: Tensor) -> Tensor:
        graph, size = self._graph[0], self.batch
        if size is None:
            return graph(x)
        parts = []
        for part in x.split(size):
            filled = torch.cat([part, part.new_zeros(size - len(part), *part.shape[1:])])
            parts.append(graph(filled)[: len(part)])
        return torch.cat(parts)


def program(path: Path, sha256: str | None = None) -> Program:
    """The exported model, on the device that it was exported for.

    Args:
        sha256: of the file's bytes; another one is refused before anything is read.

    Raises:
        RedoubtError: no such file, another hash, no program, more in it than a graph of torch's operations, or one
            that takes anything but a batch of images.
    """
    check_hash(path, sha256)
    content = path.read_bytes()
    _look(content, path)
    try:
        exported = torch.export.load(io.BytesIO(content))
        graph = exported.module(check_guards=False)  # guards are code, made from the archive
    except Exception as error:  # whatever a damaged archive looks like to torch
        raise _broken(path, (str(error).splitlines() or [type(error).__name__])[0]) from None
    inputs = [
        n
        for n in exported.graph.nodes
        if n.op == "placeholder" and n.name in exported.graph_signature.user_inputs
    ]
    shape = (
        inputs[0].meta["val"].shape if len(inputs) == 1 and isinstance(inputs[0].meta["val"], Tensor) else ()
    )
    if len(shape) != 4:
        raise RedoubtError(
            "this program does not take a batch of images", file=path,
            value=f"{len(inputs)} inputs, shape {tuple(map(str, shape))}", allowed="one input (N, C, H, W)",
        )  # fmt: skip
    return Program(graph, shape[0] if isinstance(shape[0], int) else None)


def _look(content: bytes, path: Path) -> None:
    """Refuses an archive of which reading or calling could do more than torch's operations do."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        files = {PurePosixPath(*PurePosixPath(n).parts[1:]).as_posix(): n for n in archive.namelist()}
        for name in files:
            if not FILES.fullmatch(name):
                raise _refused(path, f"the file {name}")
        for kind in ("weights", "constants"):
            held = json.loads(archive.read(files[f"data/{kind}/model_{kind}_config.json"]))["config"]
            for name, meta in held.items():
                if meta["use_pickle"] or not NAME.fullmatch(name) or not NAME.fullmatch(meta["path_name"]):
                    raise _refused(path, f"the pickled tensor {name}")
        _graph(json.loads(archive.read(files["models/model.json"])), "", path)
        samples = archive.read(files["data/sample_inputs/model.pt"])
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError) as error:
        raise _broken(path, repr(error)) from None
    try:
        torch.load(io.BytesIO(samples), weights_only=True)
    except Exception:
        raise _refused(path, "pickled sample inputs") from None


def _graph(part: Any, key: str, path: Path) -> None:
    """Walks the JSON of a graph; every text that torch looks up, evaluates or writes as code has to be harmless."""
    if isinstance(part, list):
        for item in part:
            _graph(item, key, path)
    elif isinstance(part, dict):
        for name, value in part.items():
            if key in (
                "tensor_values",
                "sym_int_values",
                "sym_float_values",
                "sym_bool_values",
                "range_constraints",
            ):
                _must(NAME, name, "name", path)
            if name not in ("metadata", "guards_code"):  # kept as text; guards are not asked for
                _graph(value, name, path)
    elif isinstance(part, str) and key in ("in_spec", "out_spec"):
        _containers(json.loads(part), path) if part else None
    elif isinstance(part, str):
        rule = {"target": OPERATION, "expr_str": SIZE, "as_expr": SIZE}.get(key)
        rule = rule or (NAME if key in ("name", "fqn") or key.endswith(("_name", "_names")) else None)
        if rule:
            _must(rule, part, "operation" if rule is OPERATION else "text", path)


def _containers(spec: Any, path: Path) -> None:
    if isinstance(spec, list):
        for item in spec:
            _containers(item, path)
    elif isinstance(spec, dict):
        if spec.get("type") not in CONTAINERS:
            raise _refused(path, f"an argument of type {spec['type']}")
        _containers(spec.get("children_spec", []), path)


def _must(rule: re.Pattern, text: str, what: str, path: Path) -> None:
    if not rule.fullmatch(text):
        raise _refused(path, f"the {what} {text[:80]!r}")


def _refused(path: Path, what: str) -> RedoubtError:
    return RedoubtError(
        "this program holds more than a graph of torch's operations: it was not loaded, for that could execute it",
        file=path, value=what, hint="torch.export.save of a plain model, or a state dict and its architecture",
    )  # fmt: skip


def _broken(path: Path, why: str) -> RedoubtError:
    return RedoubtError(f"this is not a program of torch.export: {why[:200]}", file=path)
