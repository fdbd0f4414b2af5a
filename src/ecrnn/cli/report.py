"""`ecrnn report RUN...`: tables and figures from run directories; needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ecrnn.cli import options
from ecrnn.cli.option_values import pairs_of
from ecrnn.cli.output import complain, say, show_report
from ecrnn.core.text import counted

EXAMPLE = "Example: ecrnn report runs/compare-cifar10 --baseline cnn --difference 1"


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...", help="Folders that 'ecrnn compare' wrote; several parts of one study are joined."
        ),
    ],
    baseline: options.Baseline = None,
    pairs: options.Pairs = None,
    rope: options.Rope = None,
    score_epochs: Annotated[
        int | None,
        typer.Option(
            help="Number of last epochs whose mean metric is the score of a training. Default: as planned.", min=1
        ),
    ] = None,
    difference: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="True difference, in points of the metric, that would matter to you: the report then says how many "
            "repeats would find it.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for the report. Default: report/ in the first RUN.")
    ] = None,
    archive: Annotated[
        Path | None,
        typer.Option(
            help="Folder for a small copy of the study, without weights and logits; the report is made from it."
        ),
    ] = None,
    across: Annotated[
        bool,
        typer.Option(
            "--across",
            help="One report over studies of different data sets, one RUN each, or the folder that holds them all.",
        ),
    ] = False,
    moderators: options.Moderators = None,
    lang: options.Lang = "en",
    as_json: options.Json = False,
) -> None:
    """Make the report of a study: terminal, HTML, Markdown, LaTeX, CSV, JSON.

    With --archive, given again, trials that were finished since are added to the copy. With --across, the studies are
    of the same models on different data sets: ecrnn report runs/mnist runs/digits runs/signs --across
    With --lang ko the page report.html is Korean.
    """
    from ecrnn.core.across_plan import is_across
    from ecrnn.core.spelling import on_disk

    language, runs = options.language(lang), [on_disk(run) for run in runs]
    if across or (len(runs) == 1 and is_across(runs[0])):
        if archive is not None:
            raise options.WrongCall("--archive takes one study, and --across is of several; leave one of them out")
        if difference is not None:
            raise options.WrongCall("--difference is of one study, and --across is of several; leave one of them out")
        from ecrnn.cli.across_data_sets import moderators_of
        from ecrnn.cli.across_data_sets import show as show_across

        return show_across(
            runs,
            baseline=baseline,
            pairs=pairs_of(pairs),
            rope=rope,
            moderators=moderators_of(moderators),
            as_json=as_json,
            out=out,
            language=language,
        )
    if moderators is not None:
        raise options.WrongCall("--moderators is of a report --across data sets")
    if len(runs) == 1 and archive is None and _is_tuning(runs[0]):
        from ecrnn.report import print_tuning, write_tuning_report

        return show_report(write_tuning_report(runs[0], out, language), print_tuning, as_json=as_json)
    archive = archive and on_disk(archive)
    if archive is not None:
        if len(runs) > 1:
            raise options.WrongCall("--archive takes one study at a time; give one RUN")
        from ecrnn.report import archive_study

        copied = archive_study(runs[0], archive)
        for fault in copied.faults:
            complain(fault)
        runs = [archive]
        if not as_json:
            say(f"Archive: {archive}, {counted(copied.added, 'trials')} added, {copied.kept} there already")
    return show(
        runs,
        baseline=baseline,
        pairs=pairs_of(pairs),
        rope=rope,
        score_epochs=score_epochs,
        difference=difference,
        out=out,
        as_json=as_json,
        language=language,
    )


def _is_tuning(run: Path) -> bool:
    from ecrnn.core.reading import there
    from ecrnn.core.runs import STUDY, read_settings

    return there(run / STUDY) and read_settings(run).tuning is not None


def show(
    runs: list[Path],
    *,
    baseline: str | None,
    pairs: Sequence[tuple[str, str]] | None,
    rope: float | None,
    as_json: bool,
    score_epochs: int | None = None,
    difference: float | None = None,
    out: Path | None = None,
    language: str = "en",
) -> None:
    """Write the report of ``runs``, print it, and say where it lies."""
    from ecrnn.paper import write_report
    from ecrnn.report import print_report

    chosen: dict[str, Any] = {"baseline": baseline, "pairs": pairs, "rope": rope, "score_epochs": score_epochs}
    written = write_report(runs, out, **chosen, difference=difference, language=language)
    show_report(written, print_report, as_json=as_json)
