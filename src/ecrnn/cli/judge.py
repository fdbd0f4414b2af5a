"""`ecrnn judge SCORES`: the report of scores that other programs computed; needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecrnn.cli import options
from ecrnn.cli.option_values import pairs_of
from ecrnn.cli.output import complain, say, show_report

if TYPE_CHECKING:
    from ecrnn.report import Report

EXAMPLE = "Example: ecrnn judge scores.csv --n-train 35000 --n-test 15000 --baseline cnn"
_LEFT_OUT = ("scores", "out", "lang", "as_json")  # of the command that gives a report again, or written first


def judge(
    context: typer.Context,
    scores: Annotated[
        list[str],
        typer.Argument(
            metavar="SCORES...",
            help="Table of scores, .csv, .json or .parquet, or - for CSV on the standard input; several are joined.",
        ),
    ],
    n_train: Annotated[
        int | None, typer.Option(help="Number of training examples of a repeat. Default: the column n_train.", min=1)
    ] = None,
    n_test: Annotated[
        int | None, typer.Option(help="Number of test examples of a repeat. Default: the column n_test.", min=1)
    ] = None,
    fixed_test: Annotated[
        bool, typer.Option("--fixed-test", help="Repeats that share one training and one test set; seeds differ.")
    ] = False,
    metric: Annotated[
        str | None, typer.Option(metavar="NAME", help="Score of the verdict. Default: the only one in the table.")
    ] = None,
    lower_is_better: Annotated[
        bool | None,
        typer.Option(
            "--lower-is-better/--higher-is-better", help="Direction of the score. Default: what its name says."
        ),
    ] = None,
    percent: Annotated[bool, typer.Option("--percent", help="Scores in percent: 73.25 in place of 0.7325.")] = False,
    kind: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TOOL",
            help="Tool that wrote the table: mlflow, wandb, sklearn, mlr3, aeon; wide for a column a model, table for "
            "any other. Default: what its columns say.",
        ),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="ROLE=COLUMN,...", help="Columns by their role, as in model=net,repeat=seed. Default: by name."
        ),
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(metavar="NAME", help="Data set to report. Default: a report of each.")
    ] = None,
    across: Annotated[
        bool, typer.Option("--across", help="One report over all data sets of the table, in place of one of each.")
    ] = False,
    baseline: options.Baseline = None,
    pairs: Annotated[
        str | None, typer.Option(metavar="A:B,...", help="Pairs of models to compare. Default: every pair.")
    ] = None,
    rope: Annotated[
        float | None,
        typer.Option(
            help="Largest difference that does not matter, in units of the score. Default: 0.005 of shares, else 0.",
            min=0,
        ),
    ] = None,
    difference: Annotated[
        float | None,
        typer.Option(
            help="True difference, in points of the score, that would matter to you: the report then says how many "
            "repeats would find it.",
            min=0,
        ),
    ] = None,
    alpha: Annotated[float, typer.Option(help="Level of the tests after Holm's adjustment over all pairs.")] = 0.05,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for the report. Default: runs/judge-SCORES.")
    ] = None,
    lang: options.Lang = "en",
    as_json: options.Json = False,
) -> None:
    """Judge scores that other programs computed: the verdicts and the report of a study.

    A row holds model, repeat and score, or model, repeat, example and correct, or label and prediction. Columns
    dataset, n_train, n_test, seed and split are used where they are there.
    """
    if across and dataset is not None:
        raise options.WrongCall("--across is of all data sets, and --dataset names one; leave one of them out")

    language = options.language(lang)

    from ecrnn.report import print_across, print_report
    from ecrnn.scores import How, judge_across, judge_each, read

    reading = read(
        scores,
        kind=kind,
        columns=_columns(columns),
        metric=metric,
        lower_is_better=lower_is_better,
        percent=percent,
    )
    (complain if as_json else say)(reading.sentence)
    how = How(n_train, n_test, fixed_test, baseline, pairs_of(pairs), rope, difference, alpha)
    if across:
        return show_report(judge_across(reading, how, out, language), print_across, as_json=as_json)
    reports = judge_each(reading, how, dataset, out, _command(context.params), language)
    if as_json and len(reports) > 1:
        return _print_json(reports)
    for report in reports.values():
        show_report(report, print_report, as_json=as_json)
    return None


def _print_json(reports: dict[str, Report]) -> None:
    """An object with the report of each data set."""
    texts = {name: report.paths["report.json"].read_text(encoding="utf-8") for name, report in reports.items()}
    from ecrnn.core.text import json_text

    typer.echo("{" + ",\n".join(f"{json_text(name)}: {text.rstrip()}" for name, text in texts.items()) + "}")


def _columns(text: str | None) -> dict[str, str]:
    """ "model=net,repeat=seed" by role."""
    found = {}
    for part in (text or "").split(",") if text else []:
        role, equals, column = part.partition("=")
        if not equals or not role.strip() or not column.strip():
            raise options.WrongCall(f"--columns wants ROLE=COLUMN, as in model=net,repeat=seed, not '{part}'")
        found[role.strip()] = column.strip()
    return found


def _command(parameters: dict[str, Any]) -> list[str]:
    """The words that give the report again."""
    words = ["ecrnn", "judge", *parameters["scores"]]
    for name, value in parameters.items():
        option = "--from" if name == "kind" else f"--{name.replace('_', '-')}"
        if name in _LEFT_OUT or value is None or (value is False and name != "lower_is_better"):
            continue
        if name == "lower_is_better":
            words.append(option if value else "--higher-is-better")
        elif value is True:
            words.append(option)
        elif not (name == "alpha" and value == 0.05):
            words += [option, str(value)]
    return words
