"""The plan of a comparison across data sets, on disk."""

from pathlib import Path

import pytest

from ecrnn.core.across_plan import (
    ACROSS,
    AcrossPlan,
    check_of_plan,
    is_across,
    other_moderators,
    read_plan,
    studies_of,
    write_plan,
)
from ecrnn.core.config import StudySettings
from ecrnn.core.errors import EcrnnError
from ecrnn.core.runs import write_settings

PLAN = AcrossPlan(data={"b": "/data/b", "a é": "photos/a é"}, moderators=("classes",))


def test_it_comes_back_in_its_order(tmp_path: Path) -> None:
    assert not is_across(tmp_path)
    write_plan(tmp_path, PLAN)
    assert is_across(tmp_path)
    assert read_plan(tmp_path) == PLAN
    assert list(read_plan(tmp_path).data) == ["b", "a é"]
    (tmp_path / "a é").mkdir()
    assert studies_of(tmp_path, PLAN) == [tmp_path / "a é"]


def test_a_changed_letter_is_seen(tmp_path: Path) -> None:
    write_plan(tmp_path, PLAN)
    path = tmp_path / ACROSS
    path.write_text(path.read_text().replace("- classes", "- log-n"))
    with pytest.raises(EcrnnError, match=r"across\.yaml"):
        read_plan(tmp_path)


@pytest.mark.parametrize("name", ["..", "a/b", "", "a\\b", "a\nb", "a" * 300])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    write_plan(tmp_path, PLAN.model_copy(update={"data": {name: "x"}}))
    with pytest.raises(EcrnnError, match="cannot be the folder of a study"):
        read_plan(tmp_path)


def test_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(EcrnnError, match=r"holds no comparison across data sets: it has no across\.yaml$"):
        read_plan(tmp_path)


def test_the_moderators_of_another_comparison(tmp_path: Path) -> None:
    """They would count as named before the first training."""
    plan = AcrossPlan(data={"a": "a", "b": "b"}, moderators=("log-n",))
    for name, more in {"a": {}, "b": {"across_moderators": "log-n"}}.items():  # the first of an earlier version
        (tmp_path / name).mkdir()
        write_settings(tmp_path / name, StudySettings.read({"data": name, "models": ["cnn"], **more}))
    assert other_moderators(tmp_path, plan) == []
    (line,) = other_moderators(tmp_path, plan.model_copy(update={"moderators": ("log-n", "classes")}))
    assert line == (
        f"{tmp_path / ACROSS} names the moderators log-n, classes, and {tmp_path / 'b'} was begun with log-n; put back "
        "its last copy."
    )
    assert "names the moderators none, and" in other_moderators(tmp_path, AcrossPlan(data=plan.data))[0]


def test_studies_that_are_not_of_the_plan(tmp_path: Path) -> None:
    """An earlier across.yaml, and the study of another comparison, put in the place of one."""
    plan = AcrossPlan(data={name: name for name in "abc"})
    for name, changes in {"a": {}, "b": {"training": {"epochs": 7}}, "c": {"image_size": 16}}.items():
        (tmp_path / name).mkdir()
        write_settings(tmp_path / name, StudySettings.read({"data": name, "models": ["cnn"], **changes}))
    (tmp_path / "report").mkdir()
    assert check_of_plan(tmp_path, plan) == []
    earlier = AcrossPlan(data={"a": "a"})
    line = f"{tmp_path / 'b'} and 1 more lie there, but {tmp_path / ACROSS} does not plan them; "
    assert check_of_plan(tmp_path, earlier) == [f"{line}put back its last copy, or move them elsewhere."]
    write_settings(tmp_path / "b", StudySettings.read({"data": "b", "models": ["cnn"], "seed": 1}))
    (line,) = check_of_plan(tmp_path, plan)
    assert line.endswith(
        f"was not begun with the others of {tmp_path / ACROSS}: seed is 1 there, and 0 in {tmp_path / 'a'}."
    )
