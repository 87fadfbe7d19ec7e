"""The exhibits of this paper."""

from redoubt.exhibits.base import Exhibit

EXHIBITS: tuple[Exhibit, ...] = ()
