"""All commands, and how an error ends one."""

import sys

import typer

from redoubt.cli import inspect, judge, reports, work
from redoubt.errors import RedoubtError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Re-runs, re-attacks and judges published defenses against adversarial examples.",
)
for part in (work, inspect, judge, reports):
    app.add_typer(part.app)


def run() -> int:
    """The exit code of the command in `sys.argv`; an error that a user can act on is printed without a traceback."""
    try:
        return app(standalone_mode=False) or 0
    except RedoubtError as error:
        print(f"redoubt: {error}", file=sys.stderr)
        return 1
    except (BrokenPipeError, InterruptedError):
        raise
    except OSError as error:
        print(f"redoubt: {_about_the_disk(error)}", file=sys.stderr)
        return 1
    except MemoryError:
        print(f"redoubt: {RedoubtError('there is not enough memory for this')}", file=sys.stderr)
        return 1
    except (typer.Exit, SystemExit) as stop:
        return getattr(stop, "exit_code", getattr(stop, "code", 0))
    except typer.Abort:
        return 130
    except Exception as error:
        if hasattr(error, "format_message"):  # click's usage errors
            print(f"redoubt: {error.format_message()}", file=sys.stderr)
            return 2
        raise


def _about_the_disk(error: OSError) -> RedoubtError:
    """What the system refused, with its file: a full or read-only disk, a name that is too long."""
    what = error.strerror or str(error) or type(error).__name__
    return RedoubtError(
        f"the system refused to read or write: {what}", file=error.filename2 or error.filename,
        hint="free some space, or choose a folder that can be written",
    )  # fmt: skip
