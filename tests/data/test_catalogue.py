from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ecrnn.core.errors import DataError, EcrnnError, UnknownNameError
from ecrnn.core.tasks import TASKS
from ecrnn.data import catalogue
from ecrnn.data.catalogue import place
from ecrnn.tasks.image_classification import images


def test_every_task_has_data_and_every_name_one_task():
    data_sets = {name: task.data_sets for name, task in TASKS.items()}
    assert {name for name, known in data_sets.items() if not known} == {"sequence-classification"}  # files of your own
    assert len(set(catalogue.names())) == len(catalogue.names())
    assert list(data_sets["image-classification"]) == images.names()
    for task, names in data_sets.items():
        assert list(names) == sorted(names)
        assert all(catalogue.task_of(name) == task for name in names)
    assert catalogue.task_of("./digits") is None


def test_names_win_over_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("rt-polarity").mkdir()
    Path("mine").mkdir()
    assert place("rt-polarity", "text-classification", "a folder") is None
    assert place("./rt-polarity", "text-classification", "a folder") == Path("rt-polarity")
    assert place(Path("rt-polarity"), "text-classification", "a folder") == Path("rt-polarity")
    assert place("rt-polarity", "captioning", "a folder") == Path("rt-polarity")
    assert place("mine", "text-classification", "a folder") == Path("mine")


def test_errors_say_what_would_be_right(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownNameError, match=r"'tiny_shakespear', did you mean 'tiny-shakespeare'\? \(a file would"):
        place("tiny_shakespear", "next-token", "a file")
    with pytest.raises(DataError, match=r"^no/where does not exist; give a file, or tiny-shakespeare$"):
        place("no/where", "next-token", "a file")
    right = "digits is a data set for image-classification, not for next-token; give tiny-shakespeare, or a file"
    with pytest.raises(DataError, match=f"^{right}$"):
        place("digits", "next-token", "a file")
    with pytest.raises(DataError, match="rt-polarity is a data set for text-classification, not for image-class"):
        images.load("rt-polarity", cache=tmp_path)


def test_a_task_without_data_sets_of_its_own_names_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for data, line in {
        "patterns": "there is no file or folder 'patterns'; give an .npz file",
        "no/where": "no/where does not exist; give an .npz file",
        "digits": "digits is a data set for image-classification, not for sequence-classification; give an .npz file",
    }.items():
        with pytest.raises(EcrnnError) as error:
            place(data, "sequence-classification", "an .npz file")
        assert str(error.value).removeprefix(f"{tmp_path}/") == line


def test_the_catalogue_is_light():
    code = "import sys, ecrnn.data.catalogue; print({'numpy', 'torch', 'PIL', 'pydantic'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("set()", "")
