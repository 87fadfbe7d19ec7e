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
    except (typer.Exit, SystemExit) as stop:
        return getattr(stop, "exit_code", getattr(stop, "code", 0))
    except typer.Abort:
        return 130
    except Exception as error:
        if hasattr(error, "format_message"):  # click's usage errors
            print(f"redoubt: {error.format_message()}", file=sys.stderr)
            return 2
        raise
