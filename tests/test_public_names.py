"""The public names of ecrnn, loaded when first used, and the examples in the docstrings."""

import doctest
import importlib
import subprocess
import sys

import pytest

import ecrnn

NAMES = [
    "EcrnnError",
    "ImageClassifier",
    "SequenceClassifier",
    "build",
    "check",
    "compare",
    "export",
    "judge",
    "load",
    "plan",
    "register",
    "status",
    "track",
    "train",
    "tune",
    "verify",
    "work",
]


def test_the_names():
    assert ecrnn.__all__ == NAMES
    assert set(NAMES) <= set(dir(ecrnn))


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_the_thing_itself(name):
    thing = getattr(ecrnn, name)
    assert getattr(sys.modules[thing.__module__], name) is thing
    assert thing.__module__.startswith("ecrnn.")
    assert vars(ecrnn)[name] is thing  # found once, kept


def test_an_unknown_name():
    with pytest.raises(AttributeError, match=r"^module 'ecrnn' has no attribute 'comparre'$"):
        _ = ecrnn.comparre
    assert not hasattr(ecrnn, "__wrapped__")


def test_names_come_when_they_are_used():
    code = (
        "import sys, ecrnn\n"
        "assert not any(n in vars(ecrnn) for n in ecrnn.__all__)\n"
        "ecrnn.EcrnnError\n"
        "import ecrnn.recurrence\n"
        "assert 'torch' not in sys.modules and 'EcrnnError' in vars(ecrnn)\n"
        "LSTM = ecrnn.recurrence.LSTM\n"
        "import torch\n"
        "LSTM(1, 16)(torch.zeros(3, 2, 1))[0].sum().backward()\n"
        "heavy = {'triton', 'torch._dynamo', 'torch._inductor', 'sympy', 'onnx'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "from ecrnn import build\n"
        "assert 'sklearn' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


EXAMPLES = [
    pytest.param("ecrnn.api", ["compare", "train"], marks=pytest.mark.slow),
    ("ecrnn.models.build", ["build"]),
    ("ecrnn.serving.load", ["load"]),
    pytest.param("ecrnn.tasks.image_classification.estimator", ["ImageClassifier"], marks=pytest.mark.slow),
    ("ecrnn.report.render.check_files", ["check"]),
    ("ecrnn.data.check.class_checks", ["readable_name"]),
    ("ecrnn.core.errors", ["unknown_name"]),
    ("ecrnn.core.config", ["parse_assignments"]),
    ("ecrnn.core.seeds", ["trial_seed"]),
    ("ecrnn.models.names", ["parse"]),
]


@pytest.mark.parametrize(("module", "objects"), EXAMPLES, ids=lambda v: v if isinstance(v, str) else "")
def test_the_examples_are_true(module, objects, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(module)
    tests = [test for test in doctest.DocTestFinder().find(module) if test.examples]
    assert {test.name.removeprefix(module.__name__ + ".") for test in tests} >= set(objects)
    runner = doctest.DocTestRunner()
    for test in tests:
        runner.run(test)
    assert runner.summarize(verbose=False).failed == 0, capsys.readouterr().out
