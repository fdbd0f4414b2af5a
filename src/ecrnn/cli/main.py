"""The command `ecrnn`: its commands, and how every error becomes one line."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from ecrnn.cli import compare, evaluate, predict, report, summary, train
from ecrnn.core.errors import EcrnnError, nearest

app = typer.Typer(
    name="ecrnn",
    help="Build, train, compare honestly and use CNN-RNN networks.",
    epilog="Try it: ecrnn compare digits --models cnn,ecnn --repeats 3 --epochs 3",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("compare", epilog=compare.EXAMPLE)(compare.compare)
app.command("report", epilog=report.EXAMPLE)(report.report)
app.command("train", epilog=train.EXAMPLE)(train.train)
app.command("evaluate", epilog=evaluate.EXAMPLE)(evaluate.evaluate)
app.command("predict", epilog=predict.EXAMPLE)(predict.predict)
app.command("summary", epilog=summary.EXAMPLE)(summary.summary)


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks; stands anywhere on the line.")] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"ecrnn {installed('ecrnn')}")
        raise typer.Exit


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its status: 0 done, 1 not all done, 2 a wrong call, 128 + n a signal."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    sys.exit(_run([argument for argument in given if argument != "--debug"], debug))


def _run(arguments: list[str], debug: bool) -> int:
    try:
        return _status(app(args=arguments, prog_name="ecrnn", standalone_mode=False))
    except (typer.TyperException, typer.Abort) as error:
        if debug:
            traceback.print_exc()
        return _usage(error)
    except EcrnnError as error:
        if debug:
            traceback.print_exc()
        return _say(str(error), 1)
    except KeyboardInterrupt:
        return _say("stopped by Ctrl-C; the same command goes on", 130)
    except BrokenPipeError:
        sys.stdout = None  # type: ignore[assignment]  # the reader of our output has gone; nothing more can be said to it
        return 141
    except Exception as error:  # noqa: BLE001 the last resort: one line, and the traceback on demand
        if debug:
            traceback.print_exc()
        if number := getattr(error, "signal", None):  # ecrnn.training.interruption.Interrupted, without loading torch
            return _say(str(error), 128 + int(number))
        kind = type(error).__name__
        return _say(f"internal error, {kind}: {str(error).splitlines()[0] if str(error) else kind}; --debug shows where", 70)


def _status(result: object) -> int:
    return result if isinstance(result, int) else 0


def _usage(error: Exception) -> int:
    line = " ".join(error.format_message().split()) if isinstance(error, typer.TyperException) else "stopped"
    if not line:  # no arguments: the help was printed
        return 2
    words = line.split("'")
    if line.startswith("No such command") and len(words) > 1:
        close = nearest(words[1], [command.name or "" for command in app.registered_commands])
        line = f"unknown command '{words[1]}'" + (f", did you mean '{close}'?" if close else "; ecrnn --help lists them")
    return _say(line, 2)


def _say(line: str, status: int) -> int:
    print(f"ecrnn: {line}", file=sys.stderr)
    return status


if __name__ == "__main__":
    main()
