"""Files of models: what they bring, and for each that is wrong the line a user reads."""

from __future__ import annotations

import hashlib

import pytest

from ecrnn.core.errors import EcrnnError
from ecrnn.models import own_code, registry
from ecrnn.models.names import parse
from ecrnn.models.own_code import check_digest, check_workers_know, digests, load_code, loaded_files, place_of
from ecrnn.models.registry import find, register
from ecrnn.models.spec import InputSpec

FILE = """\
import ecrnn
from torch import nn

@ecrnn.register("{name}", task="image-classification")
class Net(nn.Sequential):
    def __init__(self, spec):
        channels, height, width = spec.image
        super().__init__(nn.Flatten(), nn.Linear(channels * height * width, spec.classes))
"""


@pytest.fixture(autouse=True)
def _forgets(monkeypatch):
    monkeypatch.setattr(registry, "_registered", {})
    monkeypatch.setattr(own_code, "_loaded", {})


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(FILE.format(name="mine"))
    return path


def test_a_file_brings_its_families(file):
    assert load_code(file) == load_code(str(file)) == ("mine",)
    assert parse("mine").family == "mine"
    assert loaded_files() == (file,)
    assert find("mine").source.content == file.read_bytes()


def test_a_changed_file_is_run_again(file):
    load_code(file)
    before = digests(["mine", "cnn"])
    assert list(before) == ["mine"]
    file.write_text(FILE.format(name="mine") + "# changed\n")
    load_code(file)
    assert digests(["mine"]) != before
    check_digest("mine", digests(["mine"])["mine"], "a study")
    with pytest.raises(EcrnnError, match=r"^mine.py has SHA-256 [0-9a-f]{12}, and 'mine' had [0-9a-f]{12} in a study$"):
        check_digest("mine", before["mine"], "a study")
    with pytest.raises(EcrnnError, match=r"^ecrnn itself has SHA-256 none, "):
        check_digest("cnn", before["mine"], "a study")


def test_two_files_with_one_name(file, tmp_path):
    load_code(file)
    (tmp_path / "other.py").write_text(FILE.format(name="mine"))
    with pytest.raises(EcrnnError, match=r"other.py: model 'mine': there is a model of this name already"):
        load_code(tmp_path / "other.py")


def test_a_name_that_a_worker_cannot_know(file):
    load_code(file)
    check_workers_know(["mine", "cnn"])

    @register("here", task="image-classification")
    def build(spec):
        raise NotImplementedError

    with pytest.raises(EcrnnError, match=r"^model 'here' is known to this process alone; .* --code$"):
        check_workers_know(["mine", "here"])


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("", "registers no model; decorate a class with @ecrnn.register"),
        ("x = 1\n", "registers no model"),
        ("class A(:\n", r", line 1: invalid syntax"),
        ("x = 1\n\nx / 0\n", r", line 3: ZeroDivisionError: division by zero"),
        ("import nowhere\n", r", line 1: ModuleNotFoundError: No module named 'nowhere'"),
        (FILE.format(name="cnn"), ": model 'cnn': there is a model of this name already; choose another"),
        (FILE.format(name="Mine"), ": model 'Mine': a name is lower-case words and numbers between hyphens"),
        ("import sys\nsys.exit(3)\n", r", line 2: it leaves Python \(SystemExit: 3\)"),
        ("\0", "null bytes"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line(file, content, line):
    file.write_text(content)
    with pytest.raises(EcrnnError, match=f"mine.py.*{line}") as error:
        load_code(file)
    assert "\n" not in str(error.value)
    assert loaded_files() == ()


def test_a_file_that_is_none(tmp_path):
    with pytest.raises(EcrnnError, match=r"nowhere\.py"):
        load_code(tmp_path / "nowhere.py")
    with pytest.raises(EcrnnError, match="folder"):
        load_code(tmp_path)


FACTORY = """
import ecrnn
from torch import nn

class Plan:
    widths = [4]

def of(plan):
    def build(spec):
        return nn.Sequential(nn.Flatten(), nn.Linear(64, plan.widths[0]), nn.Linear(plan.widths[0], spec.classes))
    return build

for number in (1, 2):
    ecrnn.register(f"made-{number}", task="image-classification")(of(Plan()))
"""


def test_a_file_may_make_its_models_in_any_way(tmp_path):
    """Its content says which they are; only what is registered in Python is known by its own lines and values."""
    (tmp_path / "factory.py").write_text(FACTORY)
    assert load_code(tmp_path / "factory.py") == ("made-1", "made-2")
    digest = hashlib.sha256(FACTORY.encode()).hexdigest()
    assert digests(["made-1", "made-2"]) == {"made-1": digest, "made-2": digest}
    assert registry.reading.get() is None


def test_where_in_a_file_an_error_came_up(file):
    file.write_text(FILE.format(name="mine") + "    def forward(self, x):\n        return self.nothing\n")
    load_code(file)
    with pytest.raises(AttributeError) as error:
        find("mine").builder(InputSpec((1, 8, 8), 2))(None)
    assert place_of(error.value) == "mine.py, line 10"
    assert place_of(ValueError("elsewhere")) == ""
