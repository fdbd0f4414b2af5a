"""What README and docs show is run: tutorial and how-to pages as they stand; every other command must parse."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer
from commands import Commands

from ecrnn.models import own_code, registry
from ecrnn.models.registry import built_in

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "README.ko.md", *sorted((ROOT / "docs").rglob("*.md"))]
Run = Callable[..., subprocess.CompletedProcess[str]]
COMMAND = re.compile(r"^(?:    |\$ )?(ecrnn [^#\n`]*)", re.MULTILINE)


FAMILY_PAGE = ROOT / "docs" / "how-to" / "built-in-family.md"
TASK_PAGE = ROOT / "docs" / "how-to" / "own-task.md"  # which tests/tasks/test_foreign_task.py installs and runs
SLURM_PAGE = ROOT / "docs" / "how-to" / "slurm.md"  # there is none here; tests/studies/test_slurm.py pretends
RAY_PAGE = ROOT / "docs" / "how-to" / "ray.md"  # takes a minute, as tests/studies/test_ray_tasks.py does
SERVE_PAGE = ROOT / "docs" / "how-to" / "serve.md"  # a server does not end; tests/cli/test_serve.py asks one
HUB_PAGE = ROOT / "docs" / "how-to" / "hub.md"  # there is no hub; tests/serving/fake_hub.py is one
PROCESSES_PAGE = ROOT / "docs" / "how-to" / "several-processes.md"  # tests/studies/test_following.py starts some
GPU_PAGE = ROOT / "docs" / "how-to" / "gpu.md"  # there is none here; tests/bench/test_gpu_all.py pretends
SESSION_PAGE = (
    ROOT / "docs" / "how-to" / "from-folder-to-service.md"
)  # benchmarks/folder_session.py runs it on photographs
ELSEWHERE = (FAMILY_PAGE, TASK_PAGE, RAY_PAGE, SLURM_PAGE, SERVE_PAGE, HUB_PAGE, PROCESSES_PAGE, GPU_PAGE, SESSION_PAGE)
RUN = [
    ROOT / "README.md",
    ROOT / "docs" / "tutorial.md",
    *(page for page in sorted((ROOT / "docs" / "how-to").glob("*.md")) if page not in ELSEWHERE),
]
BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```', re.MULTILINE | re.DOTALL)
FIGURE = re.compile(r"\d+(?:[.,]\d+)*")


def commands_on(page: Path) -> list[str]:
    return [match.strip() for match in COMMAND.findall(page.read_text())]


@functools.cache
def all_commands() -> dict[str, Any]:
    """The commands of ecrnn by name."""
    from ecrnn.cli.main import app

    group: Any = typer.main.get_command(app)
    return dict(group.commands)


def alone(*command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command of a page as a shell runs it; "ecrnn" and "python" are those under test."""
    word, *rest = command
    begin = [sys.executable, "-m", "ecrnn"] if word == "ecrnn" else [sys.executable]
    variables = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run([*begin, *rest], cwd=folder, env=variables, capture_output=True, text=True)


def printed_by(command: Sequence[str], folder: Path, run: Run) -> str:
    """What a command of a page prints."""
    done = run(*command, folder=folder, COLUMNS="200")
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stderr}"
    return done.stdout


def write_files(page: Path, folder: Path) -> list[str]:
    """Write the blocks that have a title, the path of a file."""
    files = [(title, text) for _, title, text in BLOCK.findall(page.read_text()) if title]
    for title, text in files:
        (folder / title).parent.mkdir(parents=True, exist_ok=True)
        (folder / title).write_text(text)
    return [title for title, _ in files]


def run_page(page: Path, folder: Path, run: Run) -> int:
    """Run a page's blocks in their order; a block "text" is what the block before prints, but for its figures."""
    write_files(page, folder)
    ran, printed = 0, ""
    for language, title, text in BLOCK.findall(page.read_text()):
        if language == "sh":
            printed = "\n".join(printed_by(shlex.split(line), folder, run) for line in text.splitlines())
        elif language == "python" and not title:
            (folder / "block.py").write_text(text)
            printed = printed_by(("python", "block.py"), folder, run)
        elif language == "text":
            lines = {shape(line) for line in printed.splitlines()}
            assert [line for line in text.splitlines() if shape(line) not in lines] == [], printed
        ran += language in ("sh", "python", "text")
    return ran


def shape(line: str) -> str:
    return " ".join(FIGURE.sub("0", line).split())


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_the_page_runs_as_it_stands(page: Path, tmp_path: Path, commands: Commands) -> None:
    assert run_page(page, tmp_path, alone if page.stem == "README" else commands) >= 2
    without = ("check", "evaluate", "own-scores", "explain", "export", "predict", "train", "fine-tune")
    assert page.stem in without or list(tmp_path.rglob("report.html"))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("```sh\npython -c 'raise ValueError(7)'\n```\n", "ValueError: 7"),
        ("```python\nraise ValueError(7)\n```\n", "ValueError: 7"),
        ('```python title="x.py"\nprint(1)\n```\n```sh\npython x.py\n```\n```text\none\n```\n', "one"),
    ],
)
def test_a_page_that_is_not_true_is_seen(text: str, fault: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(AssertionError, match=fault):
        run_page(page, tmp_path, alone)


def test_pages_import_the_packages_that_they_use() -> None:
    """In a process that begins at once all packages are in memory, so that running a page would not show it."""
    packages = "|".join(path.parent.name for path in (ROOT / "src" / "ecrnn").glob("*/__init__.py"))
    checked = 0
    for page in [*RUN, ROOT / "docs" / "comparing.md"]:
        text = "\n".join(text for kind, _, text in BLOCK.findall(page.read_text()) if kind == "python")
        lines = [line for line in text.splitlines() if not re.match(r"\s*(from|import) ", line)]
        used = set(re.findall(rf"\becrnn\.({packages})\.", "\n".join(lines)))
        assert [name for name in used if f"import ecrnn.{name}" not in text] == [], page
        checked += bool(text)
    assert checked > 4


@pytest.mark.slow
def test_what_fails_in_a_process_that_began_at_once_is_seen(tmp_path: Path, commands: Commands) -> None:
    (tmp_path / "fails.py").write_text(
        "import os, sys\nprint(os.getcwd(), sys.argv, os.environ['MARK'], sys.stdin.read())\nraise KeyError(7)\n"
    )
    done = commands("python", "fails.py", "x", folder=tmp_path, MARK="m")
    assert (done.returncode, done.stdout) == (1, f"{tmp_path} ['fails.py', 'x'] m \n")
    assert done.stderr.endswith("KeyError: 7\n")
    done = commands("ecrnn", "sumary", folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "ecrnn: unknown command 'sumary', did you mean 'summary'?\n"
    done = commands("ecrnn", "--version", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    with pytest.raises(AssertionError, match="unknown command"):
        printed_by(("ecrnn", "sumary"), tmp_path, commands)


ALL_OF = """
import json, sys
from ecrnn.cli.main import main
for words in json.loads(sys.argv[1]):
    try:
        main(words)
    except SystemExit as left:
        print("left with", left.code, flush=True)
"""


@pytest.mark.slow
def test_a_built_in_family_is_the_diff_that_the_page_shows(tmp_path: Path) -> None:
    """The page's files and its line of documentation, in a copy of the repository, and nothing else."""
    parts = ("src", "tests", "docs", "README.md", "README.ko.md", "pyproject.toml")
    for part in parts:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, tmp_path / part)
    for part in ("recurrence", "layers"):  # the C++ kernels of an editable installation lie elsewhere
        spec = importlib.util.find_spec(f"ecrnn.{part}._cpu")
        if spec and spec.origin:
            shutil.copy(spec.origin, tmp_path / "src" / "ecrnn" / part)
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nsys.meta_path = [f for f in sys.meta_path if type(f).__name__ != 'ScikitBuildRedirectingFinder']\n"
    )
    systems = (tmp_path / "docs" / "systems.md").read_text()
    assert write_files(FAMILY_PAGE, tmp_path) == [
        "src/ecrnn/models/allconv.py",
        "tests/models/test_allconv.py",
        "docs/systems.md",
    ]
    line = (tmp_path / "docs" / "systems.md").read_text()
    assert line.count("\n") == 1
    (tmp_path / "docs" / "systems.md").write_text(systems.replace("| `alexnet-lrn`", line + "| `alexnet-lrn`"))

    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{tmp_path}:{tmp_path / 'src'}"}
    chosen = [
        *("tests/models/test_allconv.py", "tests/models/test_battery.py", "tests/models/test_registry.py"),
        *("tests/models/test_names.py", "tests/test_architecture.py", "tests/test_docs.py"),
    ]
    only = "allconv or family or families or docstring or mirror or names_are"
    pytest_line = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        *chosen,
        "-k",
        only,
        "-m",
        "not slow",
    ]
    done = subprocess.run(pytest_line, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    shown = [text for kind, _, text in BLOCK.findall(FAMILY_PAGE.read_text()) if kind == "sh"]
    words = [shlex.split(line)[1:] for line in "".join(shown).splitlines()] + [["summary", "allconf-8"]]
    command = [sys.executable, "-c", ALL_OF, json.dumps(words)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    *pieces, last = done.stdout.split("left with ")
    assert [piece.count("allconv") > 0 for piece in pieces] == [True, True, False], done.stdout
    assert [int(piece.split()[0]) for piece in (*pieces[1:], last)] == [0, 0, 2], done.stderr
    assert "did you mean 'allconv-8'?" in done.stderr


@pytest.mark.parametrize("family", sorted(built_in()))
def test_every_family_has_a_row_in_the_table_of_models(family: str) -> None:
    lines = [line for page in sorted((ROOT / "docs").glob("*.md")) for line in page.read_text().splitlines()]
    first = " ".join(line.split("|")[1] for line in lines if line.startswith("| `"))
    assert re.search(rf"`{family}[`\[-]", first), f"{family} is in no table of docs/*.md"


@pytest.mark.slow
def test_comparing_runs_as_it_stands(tmp_path: Path, commands: Commands) -> None:
    blocks = [(kind, text) for kind, title, text in BLOCK.findall((ROOT / "docs" / "comparing.md").read_text())]
    script = "\n".join(text for kind, text in blocks if kind == "python")
    (tmp_path / "page.py").write_text(script)  # a model registered at a prompt has no source
    printed_by(("python", "page.py"), tmp_path, commands)
    lines = [line for kind, text in blocks for line in text.splitlines() if kind == "sh" and "of-arrays" in line]
    assert len(lines) == 2
    for line in lines:
        printed_by(shlex.split(line), tmp_path, commands)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_shown_parses(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registered", {})  # of --code
    monkeypatch.setattr(own_code, "_loaded", {})
    monkeypatch.chdir(tmp_path)
    write_files(page, tmp_path)
    for line in commands_on(page):
        name, *arguments = shlex.split(line)[1:] or ["--help"]
        if name.startswith("-"):
            continue
        command = all_commands()[name]  # KeyError: the page shows a command that does not exist
        if not any("..." in argument or argument.isupper() for argument in arguments):
            command.make_context(name, arguments, resilient_parsing=False)


def test_the_pages_show_commands() -> None:
    """The two tests above would pass on empty pages."""
    assert len(commands_on(ROOT / "README.md")) >= 4
    assert len(commands_on(ROOT / "docs" / "tutorial.md")) >= 8


def test_both_readmes_show_the_same_commands_and_figures() -> None:
    english, korean = ((ROOT / name).read_text() for name in ("README.md", "README.ko.md"))
    fence = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
    assert fence.findall(english) == fence.findall(korean)
    figure = re.compile(r"\d+\.\d\d")
    assert figure.findall(english) == figure.findall(korean)


@pytest.mark.parametrize("page", [page for page in PAGES if "::test_" in page.read_text()], ids=lambda page: page.stem)
def test_the_tests_that_a_page_names_are_there(page: Path) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", page.read_text())
    assert named
    for file, test in named:
        assert f"def {test}(" in (ROOT / file).read_text(), f"{page.name} names {file}::{test}, which is not there"


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize(("page", "package"), [("api", "ecrnn"), ("recurrence", "ecrnn.recurrence")])
def test_the_reference_has_every_public_name(page: str, package: str) -> None:
    shown = re.findall(r"^::: (\S+)$", (ROOT / "docs" / "reference" / f"{page}.md").read_text(), re.MULTILINE)
    assert sorted(shown) == sorted(f"{package}.{name}" for name in importlib.import_module(package).__all__)


def test_the_reference_has_every_command_and_option() -> None:
    """Written when the site is built, by docs/site_hooks.py."""
    spec = importlib.util.spec_from_file_location("site_hooks", ROOT / "docs" / "site_hooks.py")
    assert spec is not None
    assert spec.loader is not None
    hooks = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hooks)
    page = hooks.commands()
    for name, command in all_commands().items():
        section = page.partition(f"\n## ecrnn {name}\n")[2] or page.partition(f"## ecrnn {name}\n")[2]
        section = section.partition("\n## ")[0]
        assert section, name
        for parameter in command.params:
            options = parameter.opts if parameter.param_type_name == "option" else [parameter.metavar]
            assert all(f"`{option}`" in section for option in options if option), f"{name}: {options}"
