"""The same models on many data sets: one study each, continued, refused before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from studies import small

from ecrnn.core.across_plan import read_plan
from ecrnn.core.errors import EcrnnError
from ecrnn.core.events import Epoch, Message
from ecrnn.core.runs import read_settings
from ecrnn.report import analyse, read_study, write_across_report
from ecrnn.studies.across_studies import run_across

MODELS = ("majority", "mlp-16")


def photos(folder: Path, seed: int, classes: int = 2) -> Path:
    """A folder of images, 10 a class."""
    rng = np.random.default_rng(seed)
    for c in range(classes):
        (folder / f"class {c}").mkdir(parents=True)
        for i in range(10):
            pixels = np.clip(40 + 80 * c + rng.normal(0, 20, (8, 8, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"class {c}" / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("sets")
    return [photos(root / f"photos-{d}", d, 2 + d % 2) for d in range(3)]


def settings(sets: list[Path], **changes: Any) -> list[Any]:
    return [small.settings(str(place), models=MODELS, **changes) for place in sets]


def test_a_study_each_in_a_folder_called_as_its_data(sets: list[Path], tmp_path: Path) -> None:
    out, said = tmp_path / "all", list[str]()
    failed = run_across(
        settings(sets[:2]),
        out,
        moderators=["classes"],
        progress=lambda event: said.append(event.text) if isinstance(event, Message) else None,
    )
    assert failed == {}
    assert read_plan(out).data == {place.name: str(place) for place in sets[:2]}
    assert read_plan(out).moderators == ("classes",)
    assert [read_settings(out / place.name).across_moderators for place in sets[:2]] == ["classes", "classes"]
    assert len(list(out.glob("photos-*/*/repeat-*/manifest.json"))) == 2 * 2 * 2
    assert [line for line in said if line.startswith("data set")] == [
        "data set 1 of 2: photos-0",
        "data set 2 of 2: photos-1",
    ]


def test_again_it_goes_on_and_takes_more_data_sets(sets: list[Path], tmp_path: Path) -> None:
    run_across(settings(sets[:2], repeats=1), tmp_path / "all")
    before = {path: path.read_bytes() for path in tmp_path.glob("all/*/*/repeat-*/manifest.json")}
    trained = []
    run_across(
        settings(sets, repeats=1),
        tmp_path / "all",
        progress=lambda event: trained.append(event.label) if isinstance(event, Epoch) else None,
    )
    assert {path: path.read_bytes() for path in before} == before
    assert trained == ["majority, repeat 0", "mlp-16, repeat 0", "mlp-16, repeat 0"]
    assert list(read_plan(tmp_path / "all").data) == [place.name for place in sets]


def test_what_was_named_before_stays(sets: list[Path], tmp_path: Path) -> None:
    run_across(settings(sets[:2], repeats=1, rope=0.01), tmp_path / "all", moderators=["classes"])
    with pytest.raises(EcrnnError, match="was begun with the moderators classes, and they do not change"):
        run_across(settings(sets[:2], repeats=1), tmp_path / "all", moderators=["log-n"])
    with pytest.raises(EcrnnError, match=r"photos-0 was planned with rope 0\.01, not 0\.02"):
        run_across(settings(sets[:2], repeats=1, rope=0.02), tmp_path / "all")


@pytest.mark.parametrize("case", ["twice", "one", "name", "full", "moderator", "baseline"])
def test_what_is_wrong_is_known_before_anything_is_trained(sets: list[Path], tmp_path: Path, case: str) -> None:
    out, named, wanted = tmp_path / "all", dict[str, Any](), settings(sets[:2])
    if case == "twice":
        photos(tmp_path / "copy", 0)
        wanted, line = settings([*sets[:2], tmp_path / "copy"]), "^photos-0 and copy are one data set; more splits"
    elif case == "one":
        wanted, line = settings(sets[:1]), "^a comparison across data sets wants two of them or more$"
    elif case == "name":
        photos(tmp_path / "other" / "photos-1", 9)
        wanted = settings([*sets[:2], tmp_path / "other" / "photos-1"])
        line = "are both called photos-1; rename a folder"
    elif case == "full":
        out.mkdir()
        (out / "mine.txt").write_text("x")
        line = r"is not empty and holds no across\.yaml; choose another --out$"
    elif case == "moderator":
        named, line = {"moderators": ["clases"]}, "^unknown moderator 'clases', did you mean 'classes'"
    else:
        wanted, line = settings(sets[:2], baseline="cnn"), "^unknown baseline 'cnn'"
    with pytest.raises(EcrnnError, match=line):
        run_across(wanted, out, **named)
    assert list(tmp_path.glob("all/*/*/repeat-*")) == []


def test_the_last_data_set_is_read_before_the_first_training(sets: list[Path], tmp_path: Path) -> None:
    with pytest.raises(EcrnnError, match="nowhere"):
        run_across(settings([*sets[:2], tmp_path / "nowhere"]), tmp_path / "all")
    assert not (tmp_path / "all").exists()


def test_several_seeds_a_split_are_those_of_each_study(sets: list[Path], tmp_path: Path) -> None:
    """Each data set has the comparison of its own report, whose repeats are splits."""
    run_across(settings(sets[:2], repeats=6, seeds_per_split=2), tmp_path)
    across = write_across_report([tmp_path], tmp_path / "report").analysis
    for one in across.data_sets:
        alone = analyse(read_study([tmp_path / one.name]))
        assert alone.comparison.repeats == (0, 1, 2)
        assert one.comparison.pairs == alone.comparison.pairs
