"""The command `ecrnn`: its commands, and how every error becomes one line."""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from ecrnn.cli import (
    bench,
    bundle,
    check,
    compare,
    doctor,
    evaluate,
    explain,
    export,
    generate,
    gradcheck,
    gradflow,
    hub,
    judge,
    options,
    plan,
    predict,
    report,
    reproduce,
    serve,
    status,
    streams,
    summary,
    track,
    train,
    tune,
    verify,
    work,
)
from ecrnn.cli.output import complain
from ecrnn.cli.usage import Group, sentence
from ecrnn.core.errors import EcrnnError, SettingsError, UnknownNameError
from ecrnn.core.torchrun import place, refuse_several
from ecrnn.core.waiting import wait_briefly_beside_others

WRONG_CALL = (options.WrongCall, SettingsError, UnknownNameError)

app = typer.Typer(
    name="ecrnn",
    cls=Group,
    help="Build, train, compare honestly and use CNN-RNN networks.",
    epilog="Try it: ecrnn compare digits --models cnn,ecnn --repeats 3 --epochs 3",
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("compare", epilog=compare.EXAMPLE)(compare.compare)
app.command("tune", epilog=tune.EXAMPLE)(tune.tune)
app.command("plan", epilog=plan.EXAMPLE)(plan.plan)
app.command("work", epilog=work.EXAMPLE)(work.work)
app.command("status", epilog=status.EXAMPLE)(status.status)
app.command("reproduce", epilog=reproduce.EXAMPLE)(reproduce.reproduce)
app.command("report", epilog=report.EXAMPLE)(report.report)
app.command("judge", epilog=judge.EXAMPLE)(judge.judge)
app.command("verify", epilog=verify.EXAMPLE)(verify.verify)
app.command("check", epilog=check.EXAMPLE)(check.check)
app.command("train", epilog=train.EXAMPLE)(train.train)
app.command("bundle", epilog=bundle.EXAMPLE)(bundle.bundle)
app.command("evaluate", epilog=evaluate.EXAMPLE)(evaluate.evaluate)
app.command("predict", epilog=predict.EXAMPLE)(predict.predict)
app.command("explain", epilog=explain.EXAMPLE)(explain.explain)
app.command("export", epilog=export.EXAMPLE)(export.export)
app.command("track", epilog=track.EXAMPLE)(track.track)
app.command("push", epilog=hub.PUSH_EXAMPLE)(hub.push)
app.command("pull", epilog=hub.PULL_EXAMPLE)(hub.pull)
app.command("serve", epilog=serve.EXAMPLE)(serve.serve)
app.command("generate", epilog=generate.EXAMPLE)(generate.generate)
app.command("summary", epilog=summary.EXAMPLE)(summary.summary)
app.command("gradcheck", epilog=gradcheck.EXAMPLE)(gradcheck.gradcheck)
app.command("gradflow", epilog=gradflow.EXAMPLE)(gradflow.gradflow)
app.add_typer(bench.app, name="bench", epilog=bench.EXAMPLE)
app.command("doctor", epilog=doctor.EXAMPLE)(doctor.doctor)


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Version of ecrnn; nothing else is done.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Tracebacks of errors; may stand anywhere on the line.")
    ] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"ecrnn {installed('ecrnn')}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(2)
    if context.invoked_subcommand != "train":
        refuse_several(f"ecrnn {context.invoked_subcommand}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its status.

    0: all that was asked was done. 1: not all of it. 2: a wrong call, nothing was begun. 70: a mistake of ecrnn.
    128 + n: stopped by signal n; 141, as with any program in a pipe, if the reader of the output has gone.
    """
    streams.prepare()
    wait_briefly_beside_others()
    line = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in line
    status = _run([argument for argument in line if argument != "--debug"], debug)
    streams.settle()
    sys.exit(status)


def _run(arguments: list[str], debug: bool) -> int:
    try:
        result = app(args=arguments, prog_name="ecrnn", standalone_mode=False)
        sys.stdout.flush()
        if result == 130:  # what newer versions of typer make of KeyboardInterrupt
            raise KeyboardInterrupt
        return result if isinstance(result, int) else 0
    except KeyboardInterrupt:
        return _say("stopped by Ctrl-C; what was finished is kept", 130)
    except (BrokenPipeError, SystemExit):  # rich leaves by SystemExit where the reader of the output has gone
        streams.discard_output()
        return 141
    except Exception as error:  # noqa: BLE001 the last resort: one line, and the traceback on demand
        if isinstance(error, OSError) and streams.is_of_output(error):
            streams.discard_output()
            return _say(f"cannot write the output: {error.strerror or error}", 1)
        if debug:
            traceback.print_exc()
        line, status = _sentence(error)
        known = status == 2 or status > 128  # to all processes that torchrun has started, of which the first says it
        return status if known and place().rank else _say(line, status)


def _sentence(error: Exception) -> tuple[str, int]:
    """One line for an error, and the status it leaves with."""
    if isinstance(error, EcrnnError):
        return str(error), 2 if isinstance(error, WRONG_CALL) else 1
    if hasattr(error, "format_message"):  # typer's own, or click's
        return sentence(error), 2
    if isinstance(error, typer.Abort):
        return "stopped by Ctrl-C; what was finished is kept", 130
    if number := getattr(error, "signal", None):  # ecrnn.training.interruption.Interrupted, without loading torch
        return str(error), 128 + int(number)
    if isinstance(error, OSError):  # of a path on the command line, or of the machine; --debug shows where
        path = f"{str(error.filename)[:200]}: " if error.filename is not None else ""
        return f"{path}{error.strerror or error}", 1
    from ecrnn.models.own_code import place_of

    kind, place = type(error).__name__, place_of(error)
    line = f"{kind}: {str(error).splitlines()[0] if str(error) else kind}"
    return (f"{place}: {line}", 1) if place else (f"internal error, {line}; --debug shows where", 70)


def _say(line: str, status: int) -> int:
    with contextlib.suppress(OSError):  # the error stream may have no reader either
        complain(" ".join(line.splitlines()))
    return status


if __name__ == "__main__":
    main()
