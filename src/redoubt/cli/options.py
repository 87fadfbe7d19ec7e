"""What several commands take, and how they check it."""

import os
import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from redoubt.cli import memory
from redoubt.errors import RedoubtError


def offer(words: str):
    """What TAB offers; imported when TAB is pressed."""

    def offered(context: typer.Context, incomplete: str) -> list[str]:
        from redoubt.cli import completion

        return getattr(completion, f"complete_{words}")(context, incomplete)

    return offered


Root = Annotated[Path, typer.Option(help="folder with config.yaml, studies, data, checkpoints, results")]
Threads = Annotated[int, typer.Option(min=1, help="torch threads of this process")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda", envvar="REDOUBT_DEVICE")]
RunPath = Annotated[
    str, typer.Argument(help="STUDY/DEFENSE/VARIANT, e.g. digits/pgd_at/main", autocompletion=offer("run"))
]
StudyName = Annotated[
    str, typer.Argument(help="a study by its name, e.g. digits", autocompletion=offer("study"))
]
Again = Annotated[bool, typer.Option("--again", help="make anew what is finished too")]
Seeds = Annotated[list[int] | None, typer.Option("--seed", help="only this seed; may be given again")]


def device_of(name: str, threads: int) -> str:
    """`cpu` or `cuda`, with torch set to equal bytes for equal seeds; refuses a GPU that is not there.

    From here on the process also keeps its memory, see `memory.keep`.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", name):
        raise RedoubtError(
            "there is no such device", key="--device", value=name, allowed="auto, cpu, cuda, cuda:1"
        )
    # Read by cuBLAS when it starts: without it, sums on a GPU may depend on timing.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    memory.keep()
    import torch

    torch.set_num_threads(threads)
    # Equal seeds give equal bytes: no algorithm whose sums depend on timing.
    # Not use_deterministic_algorithms, which imports the compiler: 1.3 s of each process.
    torch.set_deterministic_debug_mode("warn")
    torch.backends.cudnn.benchmark = False
    # Full float32: with TF32, which torch allows by default in convolutions, a success may not be one.
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    if name != "cpu":
        _take_a_card()
    if name == "auto":
        if not torch.cuda.is_available() and (granted := _granted()):
            raise RedoubtError(
                "Slurm gave this job a GPU that torch cannot use", key=granted, value=os.environ[granted],
                hint="install a torch that is built for CUDA and its driver, or ask for the CPU: --device cpu, "
                "or REDOUBT_DEVICE=cpu for every job",
            )  # fmt: skip
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise RedoubtError("this machine has no usable GPU", key="--device", value=name, allowed="auto, cpu")
    return name


def _granted() -> str | None:
    """The variable in which Slurm says which GPU this job has; None where it has none."""
    return next((key for key in ("SLURM_JOB_GPUS", "SLURM_STEP_GPUS") if os.environ.get(key)), None)


def _take_a_card() -> None:
    """Takes one of the cards that the scheduler of this machine named, until this process ends."""
    from redoubt.workflow.locks import first_free

    if cards := os.environ.get("REDOUBT_GPUS"):
        os.environ["CUDA_VISIBLE_DEVICES"] = first_free(cards.split(","))


def terminal():
    """Where tables for people go."""
    from rich.console import Console

    # Wide where the output is read by a program: no line of a table is cut.
    return Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else 200)


def seeds_of(variant, asked: list[int] | None) -> list[int]:
    """The seeds that were asked for, or all of the variant; refuses one that it does not have."""
    for seed in asked or ():
        if seed not in variant.seeds:
            raise RedoubtError(
                f"{variant.path} has no such seed", key="--seed", value=seed, allowed=variant.seeds
            )
    return list(asked or variant.seeds)
