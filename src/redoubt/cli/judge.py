"""Commands for evidence from outside: judge a model that no study knows, challenge a recorded number."""

from pathlib import Path
from typing import Annotated

import typer

from redoubt.cli.options import Device, Root, RunPath, Seeds, Threads, device_of, seeds_of, terminal

app = typer.Typer()


@app.command()
def judge(
    model: Annotated[
        str | None,
        typer.Argument(help="file.py:function, which returns a module on [0, 1] pixels; or a .pt2"),
    ] = None,
    data: Annotated[str, typer.Option(help="a data set by name, or an .npz of x and y")] = ...,  # type: ignore[assignment]
    eps: Annotated[str, typer.Option(help="radius in pixels of [0, 1], such as 8/255")] = ...,  # type: ignore[assignment]
    norm: Annotated[str, typer.Option(help="linf or l2")] = "linf",
    weights: Annotated[Path | None, typer.Option(help="safetensors, or a state dict of torch.save")] = None,
    architecture: Annotated[str | None, typer.Option(help="of the weights, e.g. resnet18")] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(help="of the architecture, e.g. width=16 or normalize=cifar10; repeatable"),
    ] = None,
    sha256: Annotated[str | None, typer.Option(help="of the weights or the .pt2")] = None,
    suite: Annotated[str, typer.Option(help="screen, standard, rand or full")] = "standard",
    claims: Annotated[
        list[str] | None, typer.Option(help="a stated number, e.g. 56.3:autoattack; repeatable")
    ] = None,
    images: Annotated[int | None, typer.Option(min=1, help="only the first ones")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="images attacked together")] = 250,
    adversarial: Annotated[bool, typer.Option(help="keep the adversarial images in examples.npz")] = False,
    out: Annotated[Path | None, typer.Option(help="folder of the report; default: judged/NAME")] = None,
    seed: Annotated[int, typer.Option(min=0, help="of every draw")] = 0,
    root: Root = Path(),
    mirror: Annotated[Path | None, typer.Option(help="folder looked at before the network")] = None,
    threads: Threads = 1,
    device: Device = "auto",
) -> None:
    """Attack a model of one's own and say whether its numbers hold; exit 3 where a check fails."""
    from redoubt.judging import command

    where = device_of(device, threads)
    asked = command.Asked(model, weights, architecture, tuple(option or ()), sha256)
    report, folder = command.judge(
        asked, data, norm=norm, eps=eps, suite=suite, claims=claims or (), images=images, batch_size=batch_size,
        seed=seed, adversarial=adversarial, out=out, root=root, mirror=mirror, device=where,
    )  # fmt: skip
    terminal().print(command.summary(report, folder))
    if report.failed:
        raise typer.Exit(3)


@app.command()
def challenge(
    run: RunPath,
    by: Annotated[str, typer.Option(help="who sends it")] = ...,  # type: ignore[assignment]
    examples: Annotated[
        Path | None, typer.Option(help=".npz of x_adv and of sha256 or x, the images that they are of")
    ] = None,
    attack: Annotated[
        str | None, typer.Option(help="file.py:function, called as an attack; it is run")
    ] = None,
    root: Root = Path(),
    threads: Threads = 1,
    device: Device = "auto",
    seed: Seeds = None,
) -> None:
    """Hold adversarial examples or a whole attack against a recorded run; worst case, verdicts and pages count it."""
    from redoubt.config import find_run
    from redoubt.judging import challenge as c

    sent = c.Sent(by, examples, attack)
    where = device_of(device, threads)
    _, variant = find_run(root, run)
    for outcome in c.challenge(root, run, sent, seeds_of(variant, seed), where):
        print(outcome.text())
