"""Where the source of a module of this package lies, without importing it."""

import functools
import sys
from pathlib import Path

PACKAGE = Path(__file__).parent


def file_of(module: str) -> Path | None:
    """The source file of `redoubt.<…>`, for a loaded module the one it came from; None where there is none."""
    if module in sys.modules:
        loaded = sys.modules[module].__file__
        return Path(loaded) if loaded else None
    return _on_disk(module)


@functools.cache
def _on_disk(module: str) -> Path | None:
    place = PACKAGE.joinpath(*module.split(".")[1:])
    return next((f for f in (place.with_suffix(".py"), place / "__init__.py") if f.is_file()), None)
