"""Every benchmark of this folder, one after the other, then one table of all their rows.

    python benchmarks/all.py        # what `make bench` runs; hours on two cores

Nothing is asserted on time. A benchmark that fails is named at the end, and the others run.
"""

import subprocess
import sys
from pathlib import Path

from harness import OUT, machine, show, summary

HERE = Path(__file__).resolve()


def scripts() -> list[Path]:
    """The files of this folder that measure something."""
    found = sorted(p for p in HERE.parent.glob("*.py") if p != HERE)
    return [p for p in found if '__name__ == "__main__"' in p.read_text()]


def main() -> None:
    """Runs them, prints the table, and fails where one of them did."""
    where, failed, found = machine(), [], scripts()
    for script in found:
        (OUT / f"{script.stem}.json").unlink(missing_ok=True)
        print(f"--- {script.name}", flush=True)
        if subprocess.run([sys.executable, str(script)]).returncode:
            failed.append(script.name)
    if lines := summary([script.stem for script in found]):
        show(where, lines)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
