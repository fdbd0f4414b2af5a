"""The structure of src/ecrnn, read with `ast`, and of the tests: the rules of CONTRIBUTING.md.

Each rule is a function from a folder to the places that break it, and is itself tried on a small tree that does.
"""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecrnn.core.tasks import TASKS
from ecrnn.tasks import FOLDERS

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "ecrnn"

ORDER = (  # a part imports only from parts of lines further up, or from itself
    {"core"},
    {"recurrence", "data", "stats"},
    {"layers"},
    {"models"},
    {"training", "explain", "serving"},
    {"tasks"},
    {"studies", "report"},
    {"paper", "bench", "scores"},
    {"api"},
    {"cli"},
    {"__init__", "__main__"},  # loads the public names lazily
)
WITHIN = {  # likewise inside a package: files and folders, by the line that they stand on
    "report": (
        {"formats", "table", "figure"},
        {"supplement"},
        {"analysis"},
        {"content"},
        {"render"},
        {"__init__"},
    ),
}
MAX_LINES = 400

FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
FORBIDDEN_CALLS = {
    *("torch.load", "yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load"),
    *("eval", "exec", "compile", "__import__", "os.system", "os.popen"),
}
FORBIDDEN_ARGUMENTS = {"shell", "allow_pickle"}  # given as anything but False

# Tests without a file of the same name in src, and what they test.
OTHER_TESTS = {
    "test_own_model.py": "a model of somebody else's in all commands",
    "test_field.py": "benchmarks/field, the programs of a study",
    "tasks/test_foreign_task.py": "a task of somebody else's in all commands",
    "tasks/image_classification/test_peak_memory.py": "the memory of a training, from the command's settings on",
    "cpp/test_cpp.py": "tests/cpp/*.cpp, programs in C++",
    "bench/test_machines.py": "benchmarks/machines.py, and the rows of measured machines",
    "bench/test_gpu_all.py": "benchmarks/gpu_all.sh",
    "cli/test_bad_input.py": "the errors of all commands",
    "cli/test_hostile_images.py": "a folder made to harm, in all commands that read images",
    "cli/test_classics.py": "the classics in all commands",
    "cli/test_disk.py": "commands on a disk that cannot be written",
    "cli/test_tasks.py": "every task in the commands",
    "cli/test_processes.py": "commands in processes that are stopped",
    "models/test_battery.py": "every registered image classifier",
    "models/test_task_battery.py": "every registered model of the other tasks",
    "models/test_torchs_layers.py": "every registered recurrent model with layers of torch in place of ours",
    "models/test_keras_parity.py": "the networks against Keras",
    "studies/test_kills.py": "processes killed at any file operation",
    "stats/test_any_metric.py": "comparisons by every metric",
    "stats/test_public_names.py": "stats/__init__.py",
    "stats/test_half_widths.py": "the table of docs/statistics.md that says what each design buys",
    "recurrence/cpu/test_arguments.py": "what the kernels refuse",
    "recurrence/cpu/test_bits.py": "the kernels' bits and bounds",
    "recurrence/cpu/test_cutoff.py": "the backward pass that ends early",
    "recurrence/cpu/test_denormals.py": "denormal numbers in the kernels",
    "recurrence/cpu/test_memory.py": "memory that is kept between calls",
    "recurrence/cpu/test_not_finite.py": "NaN and infinity in the kernels",
    "recurrence/cpu/test_process.py": "the process that loads the kernels",
    "report/test_outputs.py": "all outputs of a report together",
    "report/test_scores.py": "reports by macro F1, balanced accuracy and AUC",
    "report/test_tasks.py": "reports of every task",
    "scores/test_other_tools.py": "files that other tools made, and what other packages say of them",
    "serving/http/test_hostile.py": "hostile requests to the server",
    "report/test_page_browser.py": "the HTML report in a browser",
    "serving/export/test_web_page_browser.py": "the exported page in a browser",
    "training/test_resume.py": "stopping at any step and going on",
    "test_architecture.py": "the structure",
    "test_dist.py": "the source distribution and the wheel",
    "test_docs.py": "README and docs",
    "test_examples.py": "examples/",
    "test_lanes.py": "the lanes of the tests",
    "test_oracles.py": "tests/oracles.py",
    "test_public_names.py": "ecrnn's public names",
    "test_results.py": "results/",
    "test_words.py": "words that no file uses",
}


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def part(path: Path) -> str:
    """The package, or the top-level module, of a path below src/ecrnn."""
    return path.parts[0].removesuffix(".py")


@functools.cache
def imported(path: Path, folder: Path) -> tuple[tuple[int, str], ...]:
    """(line, dotted name) of every import in a file, also inside functions and under TYPE_CHECKING; absolute."""
    return tuple(_imported(path, folder))


def _imported(path: Path, folder: Path) -> Iterator[tuple[int, str]]:
    package = ("ecrnn", *path.relative_to(folder).parts[:-1])
    for node in ast.walk(tree(path)):
        match node:
            case ast.Import():
                yield from ((node.lineno, alias.name) for alias in node.names)
            case ast.ImportFrom():
                base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
                module = ".".join(filter(None, (base, node.module)))
                yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)
            case ast.Call(func=ast.Name("import_module") | ast.Attribute(attr="import_module"), args=[first, *_]):
                if isinstance(first, ast.Constant):
                    yield node.lineno, str(first.value)
                elif isinstance(first, ast.JoinedStr) and isinstance(first.values[0], ast.Constant):
                    yield node.lineno, f"{first.values[0].value}*"


def level(name: str) -> int:
    return next((n for n, parts in enumerate(ORDER) if name in parts), -1)


def wrong_imports(folder: Path) -> list[str]:
    faults = []
    for path in files(folder):
        here = part(path.relative_to(folder))
        if level(here) < 0:
            faults.append(f"{path.relative_to(folder)}: '{here}' has no place in the order")
            continue
        for line, name in imported(path, folder):
            root, *rest = name.split(".")
            if root != "ecrnn":
                continue
            there = rest[0] if rest and level(rest[0]) >= 0 else "__init__"
            if there != here and level(there) >= level(here):
                faults.append(f"{path.relative_to(folder)}:{line}: {here} imports {there}")
    return faults


def module_name(path: Path, folder: Path) -> str:
    """The dotted name of a file; of an `__init__.py` the package's."""
    return ".".join(("ecrnn", *path.relative_to(folder).with_suffix("").parts)).removesuffix(".__init__")


def bound(module: ast.Module) -> set[str]:
    """The names that a file has for others to import: `__all__`, and what it assigns, defines or imports at its top."""
    names: set[str] = set()
    for node in module.body:
        match node:
            case ast.Assign(targets=[ast.Name("__all__")]):
                names |= set(ast.literal_eval(node.value))
            case ast.Assign():
                names |= {dotted(target) for target in node.targets}
            case ast.AnnAssign(target=ast.Name(name)):
                names.add(name)
            case ast.FunctionDef(name) | ast.ClassDef(name):
                names.add(name)
            case ast.Import() | ast.ImportFrom():
                names |= {alias.asname or alias.name for alias in node.names}
    return names


def import_graph(folder: Path) -> dict[str, set[str]]:
    """Which files each file imports, wherever it does so; of compiled modules nothing is said."""
    places = {module_name(path, folder): path for path in files(folder)}
    graph: dict[str, set[str]] = {name: set() for name in places}
    for module, path in places.items():
        for _, name in imported(path, folder):
            home, _, attribute = name.rpartition(".")
            if name.endswith("*"):  # a computed name: it may be any of the package
                graph[module] |= {other for other in places if other.startswith(name[:-1])} - {module}
            elif name in places:
                graph[module].add(name)
            elif home in places and (places[home].name != "__init__.py" or attribute in bound(tree(places[home]))):
                graph[module].add(home)
    return graph


def circles(folder: Path) -> list[str]:
    """Modules that reach themselves by imports, lazy ones and those under TYPE_CHECKING too; each circle once."""
    graph = import_graph(folder)
    faults, seen = [], set[str]()
    for start in sorted(graph):
        way = None if start in seen else shortest_way_back(graph, start)
        if way:
            seen |= set(way)
            faults.append(" -> ".join(name.removeprefix("ecrnn.") for name in way))
    return faults


def shortest_way_back(graph: dict[str, set[str]], start: str) -> list[str] | None:
    """The modules from ``start`` by imports to ``start`` again; None where there is no such way."""
    ways = [[start]]
    known = {start}
    for way in ways:  # grows while it is read: breadth first
        for name in sorted(graph[way[-1]]):
            if name == start:
                return [*way, start]
            if name not in known:
                known.add(name)
                ways.append([*way, name])
    return None


def wrong_imports_within(folder: Path, package: str, order: tuple[set[str], ...]) -> list[str]:
    """Imports that run upward between the files and folders of a package, and what has no place among them."""
    line_of = {name: n for n, names in enumerate(order) for name in names}
    faults = []
    for path in files(folder / package):
        place = path.relative_to(folder)
        here = place.parts[1].removesuffix(".py")
        if here not in line_of:
            faults.append(f"{place}: '{here}' has no place in the order of {package}")
            continue
        for line, name in imported(path, folder):
            if f"{name}.".startswith(f"ecrnn.{package}."):
                there = name.split(".")[2] if name.count(".") > 1 else "__init__"
                there = there if there in line_of else "__init__"  # a public name of the package
                if there != here and line_of[there] >= line_of[here]:
                    faults.append(f"{place}:{line}: {here} imports {there}")
    return faults


def importers(folder: Path, package: str) -> list[str]:
    """The files outside ``package`` that import it."""
    return [
        path.relative_to(folder).as_posix()
        for path in files(folder)
        if part(path.relative_to(folder)) != package
        and any(f"{name}.".startswith(f"ecrnn.{package}.") for _, name in imported(path, folder))
    ]


def task_names(folder: Path) -> set[str]:
    """What `tasks/<task>/facts.py` call their tasks."""
    return {
        word.value.value
        for path in sorted((folder / "tasks").glob("*/facts.py"))
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and dotted(node.func) == "Task"
        for word in node.keywords
        if word.arg == "name" and isinstance(word.value, ast.Constant)
    }


def about_one_task(folder: Path) -> list[str]:
    """Places outside `tasks` that name a task or import from its folder; families say of which task they are.

    Without a name no table can be kept by task, and none can be asked which it is.
    """
    names, faults = task_names(folder), []
    for path in files(folder):
        place = path.relative_to(folder)
        if part(place) == "tasks":
            continue
        module = tree(path)
        exempt = {
            word.value
            for node in ast.walk(module)
            if isinstance(node, ast.Call) and dotted(node.func).split(".")[-1] == "register"
            for word in node.keywords
            if word.arg == "task"
        }
        found = [
            (node.lineno, f"names {node.value}")
            for node in ast.walk(module)
            if isinstance(node, ast.Constant) and node.value in names and node not in exempt
        ]
        found += [
            (line, f"imports {name}")
            for line, name in imported(path, folder)
            if name.startswith("ecrnn.tasks.") and place.name != "__init__.py"
        ]
        faults += [f"{place}:{line}: {what}" for line, what in sorted(found)]
    return faults


def dotted(node: ast.expr) -> str:
    match node:
        case ast.Name():
            return node.id
        case ast.Attribute():
            return f"{dotted(node.value)}.{node.attr}"
    return ""


def forbidden(folder: Path) -> list[str]:
    faults = []
    for path in files(folder):
        found = [
            (line, name)
            for line, name in imported(path, folder)
            if name.split(".")[0] in FORBIDDEN_MODULES or name in FORBIDDEN_CALLS
        ]
        module = tree(path)
        for node in ast.walk(module):
            match node:
                case ast.Call():
                    if dotted(node.func) in FORBIDDEN_CALLS and not loads_safely(node, module):
                        found.append((node.lineno, dotted(node.func)))
                    for argument in node.keywords:
                        false = isinstance(argument.value, ast.Constant) and argument.value.value is False
                        if argument.arg in FORBIDDEN_ARGUMENTS and not false:
                            found.append((node.lineno, f"{argument.arg}="))
                case ast.Assert(test=ast.Constant(value)) if value:
                    found.append((node.lineno, "an assertion that cannot fail"))
        faults += [f"{path.relative_to(folder)}:{line}: {what}" for line, what in sorted(found)]
    return faults


def loads_safely(call: ast.Call, module: ast.Module) -> bool:
    """Whether it is yaml.load with a loader that this file derives from yaml.SafeLoader."""
    safe = {
        n.name
        for n in module.body
        if isinstance(n, ast.ClassDef) and n.bases and all(dotted(b) == "yaml.SafeLoader" for b in n.bases)
    }
    loaders = [*call.args[1:], *(a.value for a in call.keywords if a.arg == "Loader")]
    return dotted(call.func) == "yaml.load" and len(loaders) == 1 and dotted(loaders[0]) in safe


def too_long(folder: Path) -> list[str]:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in files(folder)}
    return [f"{path.relative_to(folder)}: {n} lines" for path, n in lengths.items() if n > MAX_LINES]


def undocumented(folder: Path) -> list[str]:
    """Modules, and public functions and classes at a module's top, without a docstring."""
    faults = []
    for path in files(folder):
        module = tree(path)
        if not ast.get_docstring(module):
            faults.append(f"{path.relative_to(folder)}: the module has no docstring")
        for node in definitions(module):
            if not ast.get_docstring(node):
                faults.append(f"{path.relative_to(folder)}:{node.lineno}: {node.name} has no docstring")
    return faults


Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def definitions(module: ast.Module) -> list[Definition]:
    """Those that are public; not the signatures of an ``@overload``, which the function itself describes."""
    found = [n for n in module.body if isinstance(n, Definition) and not n.name.startswith("_")]
    return [n for n in found if not any(isinstance(d, ast.Name) and d.id == "overload" for d in n.decorator_list)]


def parameters(node: Definition) -> list[str]:
    """Of a function, or of a class's own __init__."""
    if isinstance(node, ast.ClassDef):
        init = [n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"]
        return parameters(init[0])[1:] if init else []
    a = node.args
    every = [*a.posonlyargs, *a.args, *filter(None, [a.vararg]), *a.kwonlyargs, *filter(None, [a.kwarg])]
    return [argument.arg for argument in every]


def described(docstring: str) -> set[str] | None:
    """The names before the colons of the section "Args:"; None where there is no such section."""
    lines = iter(docstring.splitlines())
    if not any(line.strip() == "Args:" for line in lines):
        return None
    names: set[str] = set()
    indent = None
    for line in lines:
        depth = len(line) - len(line.lstrip())
        if line.strip():
            indent = depth if indent is None else indent
            if depth < indent:
                break
            if depth == indent:
                names |= {name.strip(" *`") for name in line.partition(":")[0].split(",")}
    return names


def public_names(folder: Path) -> dict[str, set[str]]:
    """What is public, by package: `__all__` of each package's `__init__.py`."""
    names = {}
    for path in sorted(folder.glob("*/__init__.py")):
        for node in tree(path).body:
            if isinstance(node, ast.Assign) and dotted(node.targets[0]) == "__all__":
                names[path.parent.name] = set(ast.literal_eval(node.value))
    return names


def badly_described(folder: Path, homes: dict[str, str]) -> list[str]:
    """Sections "Args:" that name a parameter that is not there, and public names whose parameters are not all named.

    Public are the names of ``homes`` (name to file) and of the packages' `__all__`. A public docstring may also name a
    parameter in its sentences, in double backticks, or send the reader elsewhere by a sentence with "Arguments".
    """
    faults, public = [], public_names(folder)
    for path in files(folder):
        place = path.relative_to(folder).as_posix()
        for node in definitions(tree(path)):
            text = ast.get_docstring(node) or ""
            names, wanted = described(text), set(parameters(node))
            if strange := sorted((names or set()) - wanted):
                faults.append(f"{place}:{node.lineno}: {node.name} describes {strange}, which are no parameters")
            must = homes.get(node.name) == place or node.name in public.get(part(Path(place)), set())
            named = {name for name in wanted if f"``{name}``" in text}
            missing = sorted(wanted - named - (names or set()))
            if must and missing and "Arguments" not in text:
                faults.append(f"{place}:{node.lineno}: {node.name} does not describe {missing}")
    return faults


def unmirrored(tests: Path, source: Path, others: set[str]) -> list[str]:
    """Tests without a file in src (test_x.py for x.py, _x.py or a package x)."""
    faults = []
    for path in sorted(tests.rglob("test_*.py")):
        place, name = path.relative_to(tests), path.stem.removeprefix("test_")
        homes = [source / place.parent / f"{stem}.py" for stem in (name, f"_{name}", f"__{name}__")]
        if place.as_posix() not in others and not any(home.is_file() for home in homes):
            faults.append(f"{place}: there is no {homes[0].relative_to(source)}")
    return faults


PUBLIC = {
    "compare": "api.py",
    "train": "api.py",
    "build": "models/build.py",
    "load": "serving/load.py",
    "export": "serving/export/exporting.py",
    "ImageClassifier": "tasks/image_classification/estimator.py",
}


def test_imports_go_one_way():
    assert wrong_imports(SOURCE) == []


@pytest.mark.parametrize("package", WITHIN)
def test_imports_go_one_way_within(package):
    assert wrong_imports_within(SOURCE, package, WITHIN[package]) == []


def test_no_circle_inside_any_package():
    assert circles(SOURCE) == []


def test_the_papers_study_can_be_deleted():
    """Its command goes with it; the other two then take `write_report` from `ecrnn.report`, where it is the same."""
    assert importers(SOURCE, "paper") == ["api.py", "cli/report.py", "cli/reproduce.py"]


def test_nothing_forbidden():
    assert forbidden(SOURCE) == []


def test_what_is_of_one_task_is_in_its_folder():
    assert task_names(SOURCE) == set(TASKS)
    assert about_one_task(SOURCE) == []


def test_task_folders_are_alike():
    folders = {path.parent.name for path in (SOURCE / "tasks").glob("*/__init__.py")}
    assert folders == set(FOLDERS)
    for folder in folders:
        names = {path.stem for path in (SOURCE / "tasks" / folder).glob("*.py")}
        assert {"facts", "data", "objective", "predictor"} <= names


def test_no_file_is_too_long():
    assert too_long(SOURCE) == []


def test_everything_public_has_a_docstring():
    assert undocumented(SOURCE) == []


def test_docstrings_name_all_parameters():
    assert badly_described(SOURCE, PUBLIC) == []


def test_tests_mirror_the_source():
    assert unmirrored(ROOT / "tests", SOURCE, set(OTHER_TESTS)) == []


LATER = ("torch", "sklearn", "matplotlib", "jinja2", "rich", "pandas")
HEAVY = ("torch", "numpy", "pydantic", "matplotlib", "scipy", "sklearn")


@pytest.mark.parametrize(
    ("modules", "never"),
    [
        ("ecrnn, ecrnn.cli.main", HEAVY),
        ("ecrnn.stats, ecrnn.report, ecrnn.paper, ecrnn.scores, ecrnn.models.names", LATER),
    ],
)
def test_importing_stays_light(modules, never):
    code = f"import sys, {modules}; print([m for m in {never} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


# --- the rules themselves


@pytest.fixture
def tree_of(tmp_path):
    def make(**contents: str) -> Path:
        """Files by name, the first "__" for "/"."""
        for name, content in contents.items():
            path = tmp_path / (name.replace("__", "/", 1) + ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return tmp_path

    return make


@pytest.mark.parametrize(
    ("place", "code", "fault"),
    [
        ("core__x", "from ecrnn.data import y", "core/x.py:1: core imports data"),
        ("core__x", "def f():\n    import ecrnn.models.cnn", "core/x.py:2: core imports models"),
        (
            "data__x",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ecrnn.stats.y import Z",
            "data/x.py:3: data imports stats",
        ),
        ("training__x", "from ..serving import y", "training/x.py:1: training imports serving"),
        ("report__x", "from ecrnn import studies", "report/x.py:1: report imports studies"),
        ("layers__x", "import ecrnn", "layers/x.py:1: layers imports __init__"),
        ("layers__x", "from ecrnn import compare", "layers/x.py:1: layers imports __init__"),
        (
            "models__x",
            "from importlib import import_module\nimport_module('ecrnn.api')",
            "models/x.py:2: models imports api",
        ),
        ("studies__x", "from ecrnn.cli.main import app", "studies/x.py:1: studies imports cli"),
        ("report__x", "from ecrnn.paper import MODELS", "report/x.py:1: report imports paper"),
        ("bench__x", "import ecrnn.paper.printed", "bench/x.py:1: bench imports paper"),
        ("api", "import ecrnn.cli", "api.py:1: api imports cli"),
        ("plugins__x", "x = 1", "plugins/x.py: 'plugins' has no place in the order"),
    ],
)
def test_wrong_imports_are_seen(tree_of, place, code, fault):
    assert wrong_imports(tree_of(**{place: code})) == [fault]


def test_right_imports_are_let_through(tree_of):
    folder = tree_of(
        core__x="import os",
        models__x="from ecrnn.models.y import A\nfrom . import y\nfrom .y import B\nfrom ecrnn.core.x import C",
        data__x="import ecrnnot.cli",
        cli__x="from ecrnn.api import compare\nfrom ecrnn.core import x",
    )
    assert wrong_imports(folder) == []


LAZY = "def f():\n    from ecrnn.data.y import g"
FOR_TYPES = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ecrnn.data.y import Y"
COMPUTED = "from importlib import import_module\ndef f(name):\n    import_module(f'ecrnn.data.{name}')"


@pytest.mark.parametrize(
    ("contents", "circle"),
    [
        (
            {"data__x": "from ecrnn.data.y import g", "data__y": "from ecrnn.data import x"},
            "data.x -> data.y -> data.x",
        ),
        ({"data__x": LAZY, "data__y": "from ecrnn.data.x import f"}, "data.x -> data.y -> data.x"),
        ({"data__x": FOR_TYPES, "data__y": "import ecrnn.data.x"}, "data.x -> data.y -> data.x"),
        ({"data__x": COMPUTED, "data__y": "from .x import f"}, "data.x -> data.y -> data.x"),
        (
            {"data__x": LAZY, "data__y": "from . import z", "data__z": "def g():\n    from .x import f"},
            "data.x -> data.y -> data.z -> data.x",
        ),
        (
            {"data____init__": "from ecrnn.data.x import f\n__all__ = ['f']", "data__x": "from ecrnn.data import f"},
            "data -> data.x -> data",
        ),
    ],
    ids=["plain", "lazy", "for types", "computed", "three", "package"],
)
def test_circles_are_seen(tree_of, contents, circle):
    assert circles(tree_of(**contents)) == [circle]


def test_two_circles_are_two_faults(tree_of):
    folder = tree_of(data__x=LAZY, data__y="from . import x", stats__a="from . import b", stats__b="from . import a")
    assert circles(folder) == ["data.x -> data.y -> data.x", "stats.a -> stats.b -> stats.a"]


def test_no_circle_is_let_through(tree_of):
    folder = tree_of(
        data____init__="def __getattr__(name):\n    from ecrnn.data import x",
        data__x="from ecrnn.data import y, _compiled\nfrom ecrnn.data.z import f",
        data__y="from ecrnn.data import z",
        data__z="import os",
    )
    assert circles(folder) == []


@pytest.mark.parametrize(
    ("place", "code", "fault"),
    [
        ("analysis/x", "from ecrnn.report.content import tables", "analysis/x.py:1: analysis imports content"),
        ("content/x", "def f():\n    import ecrnn.report.render.svg", "content/x.py:2: content imports render"),
        ("table", "from ..report.analysis.schema import plain", "table.py:1: table imports analysis"),
        ("render/x", "from ecrnn.report import write_report", "render/x.py:1: render imports __init__"),
        ("render/x", "import ecrnn.report", "render/x.py:1: render imports __init__"),
        ("formats", "from ecrnn.report.table import Table", "formats.py:1: formats imports table"),
        ("drawing/x", "", "drawing/x.py: 'drawing' has no place in the order of report"),
    ],
)
def test_wrong_imports_within_are_seen(tree_of, place, code, fault):
    folder = tree_of(**{f"report/{place}": code, "report/render/y": "from ecrnn.report.analysis.x import A"})
    assert wrong_imports_within(folder, "report", WITHIN["report"]) == [f"report/{fault}"]


def test_right_imports_within_are_let_through(tree_of):
    code = (
        "from ecrnn.report import formats\nfrom ecrnn.report.render.y import z\nimport ecrnn.core\nimport ecrnn.reports"
    )
    folder = tree_of(**{"report/render/x": code, "report____init__": "from ecrnn.report.render.x import z"})
    assert wrong_imports_within(folder, "report", WITHIN["report"]) == []


def test_importers_are_found(tree_of):
    folder = tree_of(
        paper__x="from ecrnn.paper import y",
        data__x="import ecrnn.papers",
        cli__x="def f():\n    from ecrnn.paper import y",
        cli__y="from ecrnn import paper",
        api="import ecrnn.paper.y",
    )
    assert importers(folder, "paper") == ["api.py", "cli/x.py", "cli/y.py"]


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("import pickle", "pickle"),
        ("def f():\n    from pickle import loads", "pickle.loads"),
        ("import torch\ntorch.load('x')", "torch.load"),
        ("from torch import load", "torch.load"),
        ("eval('1')", "eval"),
        ("exec('1')", "exec"),
        ("import yaml\nyaml.load('x')", "yaml.load"),
        ("import yaml\nyaml.load('x', yaml.Loader)", "yaml.load"),
        ("import yaml\nclass L(yaml.Loader): ...\nyaml.load('x', L)", "yaml.load"),
        ("import subprocess\nsubprocess.run('x', shell=True)", "shell="),
        ("run('x', shell=1)", "shell="),
        ("import numpy as np\nnp.load('x', allow_pickle=True)", "allow_pickle="),
        ("assert True", "an assertion that cannot fail"),
        ("assert 1, 'x'", "an assertion that cannot fail"),
        ("assert (x := 1,)\nassert 'text'", "an assertion that cannot fail"),
    ],
)
def test_forbidden_is_seen(tree_of, code, what):
    (fault,) = forbidden(tree_of(core__x=code))
    assert fault.startswith("core/x.py:")
    assert fault.endswith(f": {what}")


def test_allowed_is_let_through(tree_of):
    code = "model.eval()\nyaml.safe_load(x)\nnp.load(x, allow_pickle=False)\nassert x\nimport pickles\nload('x')\n"
    code += "re.compile('x')\nclass L(yaml.SafeLoader): ...\nyaml.load(x, L)\nyaml.load(x, Loader=L)"
    assert forbidden(tree_of(core__x=code)) == []


def test_what_is_of_one_task_elsewhere_is_seen(tree_of):
    folder = tree_of(
        core__x="KINDS = {'counting': 1}",
        cli__x="def f(task):\n    return task.name == 'counting'\nfrom ecrnn.tasks.count import predictor",
        models__x="@register('a', task='counting')\nclass A: ...\nx = 'counting things'",
        **{"tasks/count/facts": "TASK = Task(name='counting')", "tasks/count/data": "x = 'counting'"},
    )
    assert about_one_task(folder) == [
        "cli/x.py:2: names counting",
        "cli/x.py:3: imports ecrnn.tasks.count.predictor",
        "core/x.py:1: names counting",
    ]


def test_too_long_is_seen(tree_of):
    assert too_long(tree_of(core__x="x = 1\n" * 401, core__y="x = 1\n" * 400)) == ["core/x.py: 401 lines"]


def test_undocumented_is_seen(tree_of):
    folder = tree_of(
        core__x="def f(): ...\nclass A: ...\ndef _g(): ...",
        core__y='"""Doc."""\ndef f():\n    """Doc."""\nclass _A: ...',
        core__z="",
    )
    assert undocumented(folder) == [
        "core/x.py: the module has no docstring",
        "core/x.py:1: f has no docstring",
        "core/x.py:2: A has no docstring",
        "core/z.py: the module has no docstring",
    ]


NO_PARAMETER = """
def f(a, *, b, **c):
    \"\"\"F.

    Args:
        a, d: x
            e: y
        b: z

    Returns:
        g: no
    \"\"\"
"""

NOT_ALL = """
class A:
    \"\"\"A.

    Args:
        a: x
    \"\"\"
    def __init__(self, a, b): ...
def build(a):
    \"\"\"B.\"\"\"
def like(a):
    \"\"\"Arguments as A.\"\"\"
def load():
    \"\"\"L.\"\"\"
def short(a):
    \"\"\"What ``a`` says.\"\"\"
def other(x):
    \"\"\"O.\"\"\"
"""


def test_badly_described_is_seen(tree_of):
    folder = tree_of(
        core__x=NO_PARAMETER, stats__y=NOT_ALL, **{"stats____init__": "__all__ = ['A', 'like', 'load', 'short']"}
    )
    assert badly_described(folder, {"build": "stats/y.py", "other": "core/y.py"}) == [
        "core/x.py:2: f describes ['d'], which are no parameters",
        "stats/y.py:2: A does not describe ['b']",
        "stats/y.py:9: build does not describe ['a']",
    ]


def test_unmirrored_is_seen(tree_of):
    folder = tree_of(src__x="", src__y="", tests__test_x="", tests__test_z="", tests__test_other="", tests__helper="")
    assert unmirrored(folder / "tests", folder / "src", {"test_other.py"}) == ["test_z.py: there is no z.py"]
