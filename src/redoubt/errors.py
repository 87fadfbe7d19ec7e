"""The one error a person sees: what is wrong, in which file, at which key, and what would be right."""

import difflib
from collections.abc import Iterable

LONGEST = 400  # characters of a value that an error shows


class RedoubtError(Exception):
    """An error that a user can act on.

    Args:
        what: one sentence that says what is wrong.
        file: the file where it is wrong.
        key: the dotted key inside that file.
        value: the value found there.
        allowed: the values, or a description of them, that would be accepted.
        nearest: the allowed value that was probably meant.
        hint: what to do about it, a command where there is one.
    """

    def __init__(self, what, *, file=None, key=None, value=None, allowed=None, nearest=None, hint=None):
        self.what, self.file, self.key, self.value = what, file, key, value
        self.allowed, self.nearest, self.hint = allowed, nearest, hint
        super().__init__(self._text())

    def _text(self) -> str:
        allowed = self.allowed
        if allowed is not None and not isinstance(allowed, str):
            allowed = ", ".join(map(str, allowed))
        rows = [
            ("file", self.file),
            ("key", self.key),
            ("value", _short(repr(self.value)) if self.value is not None else None),
            ("allowed", allowed),
            ("did you mean", self.nearest),
            ("try", self.hint),
        ]
        return "\n".join([self.what, *(f"  {name}: {text}" for name, text in rows if text is not None)])


def _short(text: str) -> str:
    """A value that fills a screen hides what is wrong with it."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ... ({len(text):,} characters)"


def nearest(word: object, allowed: Iterable[str]) -> str | None:
    """The allowed word most like `word`, or None when nothing is close."""
    matches = difflib.get_close_matches(str(word), [str(a) for a in allowed], n=1, cutoff=0.5)
    return matches[0] if matches else None
