"""The command itself: speed of --help, help of every command, version, statuses, errors of ecrnn's own."""

from __future__ import annotations

import re
import resource
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from cli.conftest import commands_of

from ecrnn.cli.main import app

COMMANDS = (
    "compare",
    "tune",
    "plan",
    "work",
    "status",
    "reproduce",
    "report",
    "judge",
    "verify",
    "check",
    "train",
    "bundle",
    "evaluate",
    "predict",
    "explain",
    "export",
    "track",
    "push",
    "pull",
    "serve",
    "generate",
    "summary",
    "gradcheck",
    "gradflow",
    "doctor",
)
GROUPS = ("bench",)


def test_help_is_quick() -> None:
    """Seconds of the processor, which do not depend on what else the machine does."""
    times = []
    for _ in range(2):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([sys.executable, "-m", "ecrnn", "--help"], capture_output=True, text=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        assert done.returncode == 0
        assert "compare" in done.stdout
    print(f"ecrnn --help: {min(times):.2f} s")
    assert min(times) < 1.0  # the bar is 0.5 s on a quiet machine


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['ecrnn', '--help']; import atexit; atexit.register(lambda: print(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", f"{code}; import ecrnn.__main__"], capture_output=True, text=True)
    loaded = done.stdout.splitlines()[-1]
    assert "'ecrnn.cli.main'" in loaded
    for heavy in ("torch", "numpy", "scipy", "pydantic", "matplotlib", "yaml"):
        assert f"'{heavy}'" not in loaded or heavy == "pydantic", heavy  # newer versions of typer load pydantic


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example_that_parses(call: Any, command: str) -> None:
    done = call(command, "--help")
    assert done.status == 0
    assert f"Example: ecrnn {command} " in " ".join(done.out.replace("│", " ").split())
    assert done.err == ""
    group = commands_of(app)
    arguments = shlex.split(group.commands[command].epilog.partition(" > ")[0])[3:]
    group.commands[command].make_context(command, arguments)


@pytest.mark.parametrize(
    "command",
    [
        *("doctor", "evaluate", "predict", "summary"),
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("gradcheck", "gradflow", "report")),
    ],
)
def test_the_example_runs(
    call: Any, command: str, bundle: Path, study: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is what it names; those of the others take minutes or a data set."""
    monkeypatch.chdir(tmp_path)
    for source, name in ((bundle, "my-classifier"), (study, "runs/compare-cifar10"), (images, "photos")):
        shutil.copytree(source, name)
    group: Any = commands_of(app)
    done = call(*shlex.split(group.commands[command].epilog)[2:])
    assert (done.status, done.err) == (0, "")
    assert done.out


NO_NOUN = re.compile(  # what help texts began with once
    r"(?:A|An|Also|Another|Below|Compare|Draw|Go|How|In|Leave|No|Of|Only|Print|Say|Show|The|What|Where|Which)\b|[a-z0-9]"
)


def documented() -> list[tuple[str, str, str]]:
    """Every command, argument or option, and its help text."""
    group: Any = commands_of(app)
    bench = group.commands["bench"].commands
    commands = {**group.commands, **{f"bench {name}": command for name, command in bench.items()}}
    return [
        (name, one.name, one.help or "") for name, command in commands.items() for one in command.params if one.name
    ] + [("", one.name, one.help or "") for one in group.params]


def test_help_texts_begin_with_a_noun_and_are_a_sentence() -> None:
    texts = documented()
    assert len(texts) > 150
    assert [text for text in texts if NO_NOUN.match(text[2])] == []
    assert [text for text in texts if not text[2].endswith(".")] == []


@pytest.mark.parametrize("text", ["Of every variant.", "auto, cpu or cuda.", "1 grey, 3 RGB.", "How many classes."])
def test_help_texts_without_a_noun_are_seen(text: str) -> None:
    assert NO_NOUN.match(text)


def test_the_list_of_commands_here_is_whole() -> None:
    assert tuple(command.name for command in app.registered_commands) == COMMANDS
    assert tuple(group.name for group in app.registered_groups) == GROUPS


def test_version(call: Any) -> None:
    done = call("--version")
    assert (done.status, done.out, done.err) == (0, f"ecrnn {version('ecrnn')}\n", "")


def test_no_command_shows_the_help_and_is_a_wrong_call(call: Any) -> None:
    done = call()
    assert done.status == 2
    assert "Usage: ecrnn" in done.out


def test_a_mistake_of_our_own_is_one_line_and_a_traceback_on_demand(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> None:
        raise RuntimeError("first line\nsecond line")

    monkeypatch.setattr("ecrnn.models.build.make", broken)
    done = call("summary", "cnn")
    assert done.status == 70
    assert done.err == "ecrnn: internal error, RuntimeError: first line; --debug shows where\n"
    shown = call("summary", "cnn", "--debug")
    assert shown.status == 70
    assert "Traceback" in shown.err
    assert shown.err.endswith(done.err)


def test_debug_shows_where_a_users_error_comes_from(call: Any) -> None:
    done = call("--debug", "summary", "cn")
    assert done.status == 2
    assert "Traceback" in done.err
    assert done.err.endswith("ecrnn: unknown model 'cn', did you mean 'cnn'?\n")


def test_python_m_ecrnn_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "ecrnn", "sumary"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "ecrnn: unknown command 'sumary', did you mean 'summary'?\n")


def test_ctrl_c_outside_a_training_is_one_line_too(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ecrnn.models.build.make", pressed)
    done = call("summary", "cnn")
    assert (done.status, done.out, done.err) == (130, "", "ecrnn: stopped by Ctrl-C; what was finished is kept\n")


RAISES = """\
import ecrnn

@ecrnn.register("raises", task="image-classification")
def build(spec):
    raise RuntimeError("first line")
"""


def test_what_somebodys_own_model_raises_later_has_its_place(
    call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ecrnn.models import registry  # torch, which the other tests here do without
    from ecrnn.models.build import make
    from ecrnn.models.names import parse
    from ecrnn.models.spec import InputSpec
    from ecrnn.studies.trials import record_failure

    monkeypatch.setattr(registry, "_registered", {})
    monkeypatch.setattr("ecrnn.models.own_check.check_models", lambda *models: None)
    (tmp_path / "mine.py").write_text(RAISES)
    done = call("summary", "raises", "--code", str(tmp_path / "mine.py"))
    assert (done.status, done.err) == (1, "ecrnn: mine.py, line 5: RuntimeError: first line\n")
    with pytest.raises(RuntimeError) as error:
        make(parse("raises"), InputSpec((1, 8, 8), 2))
    assert record_failure(tmp_path, "raises", 0, error.value) == "mine.py, line 5: RuntimeError: first line"
