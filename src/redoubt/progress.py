"""Progress of a long loop: a live bar with rate and time left on a terminal, one plain line an epoch in a log."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

console = Console(stderr=True, highlight=False, soft_wrap=True)


@contextlib.contextmanager
def journal(path: Path, begun: str) -> Iterator[None]:
    """Inside, what is said on the console is appended to a file too, and so is the error that ends it."""
    plain = console.print
    with open(path, "a", encoding="utf-8", buffering=1) as file:

        def both(*said, **options) -> None:
            plain(*said, **options)
            print(*said, file=file)

        print(begun, file=file)
        console.print = both  # type: ignore[method-assign]
        try:
            yield
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=file)
            raise
        finally:
            console.print = plain  # type: ignore[method-assign]


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f} images/s" if task.speed else "")


class Bar:
    """Counts images; `line` prints what an epoch or an attack found."""

    def __init__(self, progress: Progress | None, task=None):
        self._progress, self._task = progress, task

    def advance(self, images: int) -> None:
        if self._progress:
            self._progress.advance(self._task, images)

    def line(self, text: str) -> None:
        console.print(text, markup=False)


@contextlib.contextmanager
def bar(title: str, images: int, done: int = 0) -> Iterator[Bar]:
    """A bar over `images`, of which `done` are behind us."""
    if not console.is_terminal:
        yield Bar(None)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        yield Bar(progress, progress.add_task(title, total=images, completed=done))
