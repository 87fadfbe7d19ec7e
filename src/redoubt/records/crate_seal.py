"""The description of a reports folder carries the hash of its own content, in the entity of the folder."""

import hashlib
import json
from typing import Any

NAME = "ro-crate-metadata.json"
ROOT = "./"  # the entity of the folder


def sealed(crate: dict[str, Any]) -> bytes:
    """The bytes of a crate, with the hash of the rest in the property `sha256` of its root."""
    rest = _text(crate, None)
    return _text(crate, hashlib.sha256(rest).hexdigest())


def is_whole(content: bytes) -> bool:
    """Whether the bytes are as `sealed` writes them; also where the crate carries no hash, as earlier ones did."""
    try:
        crate = json.loads(content)
        (root,) = (entity for entity in crate["@graph"] if entity["@id"] == ROOT)
    except (ValueError, KeyError, TypeError):
        return False
    return content == (sealed(crate) if "sha256" in root else _text(crate, None))


def files(content: bytes) -> dict[str, str]:
    """Path in the folder: hash of every file that a whole crate describes."""
    entities = json.loads(content)["@graph"]
    return {e["@id"]: e["sha256"] for e in entities if e["@type"] == "File" and "sha256" in e}


def _text(crate: dict[str, Any], hashed: str | None) -> bytes:
    told = [_with(entity, hashed) if entity["@id"] == ROOT else entity for entity in crate["@graph"]]
    return (json.dumps({**crate, "@graph": told}, indent=1, sort_keys=True) + "\n").encode()


def _with(entity: dict[str, Any], hashed: str | None) -> dict[str, Any]:
    rest = {k: v for k, v in entity.items() if k != "sha256"}
    return rest if hashed is None else {**rest, "sha256": hashed}
