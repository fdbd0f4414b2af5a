"""The plan of a comparison across data sets, on disk."""

from pathlib import Path

import pytest

from ecrnn.core.across_plan import ACROSS, AcrossPlan, is_across, read_plan, studies_of, write_plan
from ecrnn.core.errors import EcrnnError

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
