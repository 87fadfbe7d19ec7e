"""The entry point `redoubt`: a command of a run that keeps a warm process is handed to it, any other runs here."""

import os
import sys


def main() -> None:
    """Runs the command in `sys.argv` and exits with its code."""
    if address := os.environ.get("REDOUBT_WARM"):
        from redoubt.cli.warm_client import ask

        code = ask(address)
        if code is not None:
            sys.exit(code)
    from redoubt.cli.app import run

    sys.exit(run())


if __name__ == "__main__":
    main()
