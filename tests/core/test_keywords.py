"""The keywords of Python's functions are the settings, each with its type."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from ecrnn import api
from ecrnn.core.config import DataSettings, TaskSettings, TrainingSettings
from ecrnn.core.form import FORM
from ecrnn.core.keywords import Keywords

OF_ITS_OWN = {"image_size", "channels", "groups"}  # which the functions name themselves


def test_every_setting_is_a_keyword_of_its_type() -> None:
    hints = get_type_hints(Keywords)
    of_data = ({*FORM, *TaskSettings.model_fields, "form"} - {"data"}) - OF_ITS_OWN
    assert hints.keys() == TrainingSettings.model_fields.keys() | of_data
    for kind in (TrainingSettings, DataSettings):
        for name, hint in get_type_hints(kind).items():
            if name in hints:
                assert hints[name] == hint | None, name


@pytest.mark.parametrize("function", [api.compare, api.plan, api.train])
def test_no_keyword_is_there_twice(function: Any) -> None:
    assert not set(inspect.signature(function).parameters) & get_type_hints(Keywords).keys()


def test_what_a_type_checker_sees_of_compare_is_what_it_takes() -> None:
    takes = [name for name, p in inspect.signature(api.compare).parameters.items() if p.kind is p.KEYWORD_ONLY]
    assert api.CompareOptions.__annotations__.keys() - Keywords.__annotations__.keys() == {*takes}


CODE = """
import ecrnn

ecrnn.compare("digits", ["cnn"], 2, image_size=8, epochs=2, optimizer="sgd", form={"longest": 9}, tokens=None)
ecrnn.compare("digits", ["cnn"], epohcs=2)
ecrnn.compare(["digits", "mnist"], ["cnn"], epochs="two")
ecrnn.train("digits", "cnn", "out", bacth_size=2)
ecrnn.train("digits", "cnn", "out", optimizer="adma")
"""


@pytest.mark.slow  # a type checker reads all of ecrnn
def test_a_misspelt_option_is_an_error_of_mypy(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(CODE.lstrip())
    command = [sys.executable, "-m", "mypy", "--no-error-summary", "--hide-error-context", "mine.py"]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stdout
    lines = [line.split(": ")[0] for line in found.splitlines() if line.startswith("mine.py") and ": error: " in line]
    assert list(dict.fromkeys(lines)) == [f"mine.py:{number}" for number in (4, 5, 6, 7)], found
