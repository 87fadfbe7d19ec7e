"""docs/fidelity/*.yaml, what equals the authors' code and what does not by intent -> docs/fidelity.md.

`redoubt fidelity` writes the page. One file a method; the site shows the same on the pages of runs and of claims.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from redoubt.claims.schema import RUN
from redoubt.config.load import parse, read_yaml
from redoubt.errors import RedoubtError, nearest
from redoubt.params import Strict
from redoubt.records.files import write_whole

HEAD = """# What is equal to the authors' code, and what deliberately is not

Written by `redoubt fidelity` from `docs/fidelity/*.yaml`. Each test runs our code on the inputs that the authors'
functions were run on, and compares with the numbers that these gave: `tests/fidelity/golden` holds them, with the
commit and how they were made. An effect is the accuracy of a variant minus that of the main one, or of the one named,
under the named attack, in points, with its 95 % bootstrap interval over the seeds and the test images that both have.
"""


def _several(given: Any) -> Any:
    """One run, several with commas between them, or null."""
    if given is None:
        return ()
    return [name.strip() for name in given.split(",")] if isinstance(given, str) else given


Runs = Annotated[tuple[Annotated[str, Field(pattern=RUN)], ...], BeforeValidator(_several)]


class Equal(Strict):
    """Something that equals the authors' code."""

    what: str = Field(min_length=1, description="what was compared")
    to: str = Field(min_length=1, description="how closely")
    test: str = Field(pattern=r"^tests/\S+\.py::test_\w+$", description="the test that says so")


class Effect(Strict):
    """What a deviation does on a study: a variant minus what it is held against, in points of accuracy."""

    variant: str = Field(pattern=RUN, description="defense/variant")
    against: str = Field(pattern=RUN, description="defense/variant that it is held against")
    study: str = Field(description="where it was measured")
    attack: str = Field(description="a named attack of the study, or worst")
    points: float = Field(description="difference of the accuracies")
    interval: tuple[float, float] = Field(description="95 % bootstrap interval")
    seeds: int = Field(ge=1, description="seeds of both sides")
    n: int = Field(ge=1, description="test images")

    def text(self) -> str:
        """The effect in one line."""
        low, high = self.interval
        seeds = "1 seed" if self.seeds == 1 else f"{self.seeds} seeds"
        return (
            f"{self.variant} - {self.against} = {self.points:+.1f} [{low:+.1f}, {high:+.1f}]"
            f" ({self.study}, {self.attack}, {seeds}, n {self.n})"
        )


class Deviation(Strict):
    """Something that is done otherwise than in the authors' code, by intent."""

    key: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="unique in the file")
    what: str = Field(min_length=1, description="what differs")
    theirs: str = Field(min_length=1, description="the authors' file and line, and what it does")
    ours: str = Field(min_length=1, description="what is done here")
    reason: str = Field(min_length=1, description="why")
    variant: Runs = Field(
        (), description="defense/variant that does the other thing, with commas where several do"
    )
    against: Runs = Field(
        (), description="what each variant is held against; default the main one of its defense"
    )
    studies: tuple[str, ...] = Field((), description="studies whose runs it touches")
    effect: tuple[Effect, ...] | None = Field(None, description="measured by `redoubt effects`, null before")

    @model_validator(mode="after")
    def _one_for_each(self) -> "Deviation":
        if self.against and len(self.against) != len(self.variant):
            raise ValueError("`against` names one run for each variant, or is left out")
        return self

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """(defense/variant, defense/variant that it is held against) of each variant."""
        held = self.against or [f"{v.split('/')[0]}/main" for v in self.variant]
        return list(zip(self.variant, held, strict=True))


class Method(Strict):
    """One file: a method of the registry, or several that share their code."""

    method: str = Field(min_length=1, description="name for people")
    defenses: tuple[str, ...] = Field(description="names in the registry; none for an attack")
    code: str | None = Field(description="repository and commit, null where there is none")
    equal: tuple[Equal, ...] = Field((), description="what is equal")
    deviations: tuple[Deviation, ...] = Field((), description="what is not")
    not_compared: tuple[str, ...] = Field((), description="what could not be compared, and why")

    @model_validator(mode="after")
    def _says_why(self) -> "Method":
        if not self.equal and not self.not_compared:
            raise ValueError("a method without `equal` says in `not_compared` why")
        return self


def load(path: Path) -> Method:
    """One file.

    Raises:
        RedoubtError: a key, a defense or a form that does not exist, or a deviation's key given twice.
    """
    from redoubt import defenses

    content = read_yaml(path)
    if not isinstance(content, dict):
        raise RedoubtError("this is not a table of fidelity", file=path, allowed=list(Method.model_fields))
    for name, kind in (("equal", Equal), ("deviations", Deviation)):
        for i, item in enumerate(content.get(name) or ()):
            at = item.get("key", i) if isinstance(item, dict) else i
            parse(kind, item, path, f"{name}.{at}")
    found = parse(Method, content, path)
    for name in found.defenses:
        if name not in defenses.names():
            raise RedoubtError(
                "unknown defense", file=path, key="defenses", value=name, allowed=defenses.names(),
                nearest=nearest(name, defenses.names()),
            )  # fmt: skip
    keys = [d.key for d in found.deviations]
    if twice := [k for k in keys if keys.count(k) > 1]:
        raise RedoubtError("two deviations have this key", file=path, key="deviations", value=twice[0])
    return found


def load_all(folder: Path) -> dict[Path, Method]:
    """Every file of a folder, by name of the file."""
    return {path: load(path) for path in sorted(folder.glob("*.yaml"))}


def about(methods: Iterable[Method], defenses: Iterable[str]) -> list[Method]:
    """The methods that cover any of these defenses."""
    wanted = set(defenses)
    return [m for m in methods if wanted & set(m.defenses)]


def page(methods: Iterable[Method]) -> str:
    """docs/fidelity.md as Markdown."""
    every = list(methods)
    rows = [[m.method, _names(m), _code(m), len(m.equal), len(m.deviations)] for m in every]
    parts = [HEAD, _table(["method", "defenses", "compared with", "equal", "deviations"], rows)]
    return "\n".join([*parts, *(_section(m) for m in every)])


def write(folder: Path, path: Path) -> None:
    """The page of every file in `folder`."""
    write_whole(path, page(load_all(folder).values()).encode())


def _section(m: Method) -> str:
    parts = [f"## {m.method}\n", f"Defenses: {_names(m)}. Compared with: {_code(m)}.\n"]
    if m.equal:
        rows = [[e.what, e.to, f"`{e.test}`"] for e in m.equal]
        parts.append(_table(["equal", "how closely", "test"], rows))
    if m.deviations:
        rows = [
            [d.what, d.theirs, d.ours, d.reason, ", ".join(f"`{v}`" for v in d.variant) or "–", effect(d)]
            for d in m.deviations
        ]
        parts.append(_table(["deviation", "authors' code", "here", "why", "variant", "effect"], rows))
    if m.not_compared:
        parts.append("Not compared:\n\n" + "".join(f"- {_line(text)}\n" for text in m.not_compared))
    return "\n".join(parts)


def effect(d: Deviation) -> str:
    """The effect of a deviation in one line, or that there is none yet."""
    return "; ".join(e.text() for e in d.effect or ()) or ("not measured" if d.variant else "–")


def _names(m: Method) -> str:
    return ", ".join(f"`{name}`" for name in m.defenses) or "none"


def _code(m: Method) -> str:
    return m.code or "no public code"


def _table(header: list[str], rows: list[list]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(
        f"| {' | '.join(_line(c).replace('|', chr(92) + '|') for c in line)} |\n" for line in lines
    )


def _line(text: object) -> str:
    return " ".join(str(text).split())
