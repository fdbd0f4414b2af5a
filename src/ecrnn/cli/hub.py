"""`ecrnn push BUNDLE REPO` and `ecrnn pull REPO`: bundles on the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ecrnn.cli import options
from ecrnn.cli.output import complain, say, say_json

PUSH_EXAMPLE = "Example: ecrnn push my-classifier ada/flowers --private"
PULL_EXAMPLE = "Example: ecrnn pull ada/flowers -o flowers"

_Endpoint = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Address of the hub. Default: https://huggingface.co, or HF_ENDPOINT."),
]


def push(
    bundle: options.Bundle,
    repository: Annotated[
        str, typer.Argument(metavar="REPO", help="Repository on the hub, OWNER/NAME; it is made if there is none.")
    ],
    private: Annotated[bool, typer.Option("--private", help="Privacy of a repository that is made.")] = False,
    no_examples: Annotated[
        bool,
        typer.Option(
            "--no-examples",
            help="Omission of the hashes of its training examples, by which evaluate knows them, and others could tell "
            "whether an image of theirs was trained on.",
        ),
    ] = False,
    endpoint: _Endpoint = None,
    code: options.Code = None,
    as_json: options.Json = False,
) -> None:
    """Upload a trained model to the Hugging Face hub, with a card that says task and figures.

    'hf auth login', or HF_TOKEN, says who you are.
    """
    from ecrnn.serving.hub import Repository
    from ecrnn.serving.hub import push as upload

    with options.wrong_call():
        Repository.parse(repository)
    address = upload(bundle, repository, private=private, examples=not no_examples, endpoint=endpoint)
    if as_json:
        say_json({"repository": repository, "commit": address})
        return
    say(f"{bundle} is on the hub: {address}")


def pull(
    repository: Annotated[
        str, typer.Argument(metavar="REPO", help="Repository on the hub, OWNER/NAME or OWNER/NAME@REVISION.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="BUNDLE", help="Folder for the bundle. Default: NAME."),
    ] = None,
    endpoint: _Endpoint = None,
    as_json: options.Json = False,
) -> None:
    """Bring a trained model from the Hugging Face hub: only what a bundle has, bounded and checked; no code is run."""
    from ecrnn.cli.metrics import use
    from ecrnn.core.tasks import TASKS
    from ecrnn.serving.bundle import read_description, read_metrics
    from ecrnn.serving.hub import Repository
    from ecrnn.serving.hub import pull as download
    from ecrnn.serving.its_card import card_fault, read_card

    with options.wrong_call():
        of = Repository.parse(repository)
    folder = download(repository, out or Path(of.name.split("/")[1]), endpoint=endpoint)
    description = read_description(folder)
    if fault := card_fault(read_card(folder), description, read_metrics(folder)):
        complain(f"{folder}: {fault}: it is the card of another bundle, or was changed")
    if as_json:
        say_json({"repository": repository, "bundle": str(folder)})
        return
    task = TASKS.get(description.task)  # None of a task of somebody's own code
    say(f"{repository} in {folder}" + (f"; use it: {use(task, str(folder))}" if task else ""))
