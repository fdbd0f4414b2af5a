"""Every public function documents its arguments by their names, what comes back, and what it raises."""

import inspect
import re

import pytest

import ecrnn.stats

FUNCTIONS = [name for name in ecrnn.stats.__all__ if inspect.isfunction(getattr(ecrnn.stats, name))]


def test_all_is_what_there_is():
    public = {name for name, value in vars(ecrnn.stats).items() if name[0] != "_" and not inspect.ismodule(value)}
    assert set(ecrnn.stats.__all__) == public


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name != "repeats_warning"])
def test_docstring_names_the_arguments(name):
    function = getattr(ecrnn.stats, name)
    text = inspect.getdoc(function)
    section = re.search(r"^Args:\n(.*?)\n\n", text, re.DOTALL | re.MULTILINE).group(1)
    documented = re.findall(r"^    (\w+): ", section, re.MULTILINE)
    assert documented == list(inspect.signature(function).parameters)
    assert "Raises:" in text
