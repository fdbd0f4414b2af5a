"""`ecrnn check DATA`: what is wrong with a folder of images, before anything is trained on it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from ecrnn.cli import options
from ecrnn.cli.output import console, say

EXAMPLE = "Example: ecrnn check photos/ --out checked"


def check(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="Folder with one sub-folder of images per class, or with parts.")
    ],
    study: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN", help="Run directory of a study of DATA; labels that its models contradict are named."
        ),
    ] = None,
    near: Annotated[
        str,
        typer.Option(
            metavar="BITS|off",
            help="Number of bits, of 64, in which images that look alike may differ, 0 to 7; off: same images only.",
        ),
    ] = "6",
    split: Annotated[
        str, typer.Option(help="Fraction that trains (0.7), number of folds (5-fold), or own, as for compare.")
    ] = "0.7",
    repeats: Annotated[int, typer.Option(help="Number of splits that are looked at.", min=1, max=10_000)] = 3,
    seed: Annotated[int, typer.Option(help="Seed of the splits.", min=0)] = 0,
    stratify: options.Stratify = False,
    groups: options.Groups = None,
    bad_data: options.BadData = None,
    val: options.Val = None,
    test: options.Test = None,
    jobs: Annotated[
        int | None, typer.Option(help="Number of threads. Default: the number of cores, 8 at most.", min=1, max=64)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for check.json, findings.csv, groups.csv and the page check.html."),
    ] = None,
    lang: options.Lang = "en",
    as_json: options.Json = False,
) -> int:
    """Look for what is wrong with a folder of images: files, copies, labels, classes, and what the splits would part.

    The status is 0 if a training would begin, 1 if not. Copies that belong together are written as groups.csv, which
    compare and train take as --groups.
    """
    from ecrnn.cli.progress import Display
    from ecrnn.core.files import path_of
    from ecrnn.data.check.folder_check import check_folder
    from ecrnn.report.render.check_files import check_json, print_check, write_check
    from ecrnn.studies.of_folder import check_study_of
    from ecrnn.studies.places import spelt_as_it_exists

    language, folder = options.language(lang, page=out is not None), Path(spelt_as_it_exists(data))
    if not folder.is_dir():
        raise options.WrongCall(f"{folder} is no folder; check looks at a folder of images, one sub-folder a class")
    if bad_data not in (None, "refuse", "skip"):
        raise options.WrongCall(f"--bad-data should be refuse or skip, not '{bad_data[:100]}'")
    parts = {
        "val": None if val is None else path_of(val, "val"),
        "test": None if test is None else path_of(test, "test"),
    }
    with Display(quiet=as_json) as display, options.wrong_call():
        if study is not None:
            study = Path(spelt_as_it_exists(study))
            check_study_of(study, folder, **parts, progress=display.show)
        found = check_folder(
            folder,
            study=study,
            near=_bits(near),
            split=split,
            repeats=repeats,
            seed=seed,
            stratify=stratify,
            groups=groups,
            bad_data="skip" if bad_data == "skip" else "refuse",
            **parts,
            jobs=jobs or min(8, os.cpu_count() or 1),
            progress=display.show,
        )
    paths = {} if out is None else write_check(found, folder, out, language)
    if as_json:
        typer.echo(check_json(found), nl=False)
    else:
        print_check(found, console())
        if paths:
            say(f"Page: {paths['check.html']}, with check.json, findings.csv and groups.csv beside it")
    return 0 if found.would_train else 1


def _bits(text: str) -> int | None:
    if text == "off":
        return None
    if not text.isascii() or not text.isdigit() or not 0 <= int(text[:3]) <= 7:
        raise options.WrongCall(f"--near wants 0 to 7 bits, or off, not '{text[:100]}'")
    return int(text)
