"""Models that write in use: translators, captioners and readers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from core.lines import one_line
from PIL import Image
from tiny_tasks import TINY, untrained

from ecrnn.core.errors import DataError, EcrnnError
from ecrnn.models.scoring import bleu_of_captions, bleu_of_translations, character_edits

Made = tuple[Any, Any]
WRITERS = ("translation", "captioning", "transcription")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Made]:
    """Model and data of each task, whose networks are untrained but do write something."""
    return {task: untrained(task, tmp_path_factory.mktemp(task)) for task in WRITERS}


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return sorted(TINY["transcription"].write(tmp_path_factory.mktemp("lines")).iterdir())


def test_sentences_side_by_side_are_as_alone(made: dict[str, Made]) -> None:
    model, _ = made["translation"]
    texts = ["red dog runs", "", "never seen before", "blue " * 50]
    assert model.translate(texts) == [model.translate([text])[0] for text in texts]
    assert model.translate([]) == []
    with one_line(DataError, "texts should be a list"):
        model.translate("red dog runs")


def test_translations_are_judged_by_bleu(made: dict[str, Made]) -> None:
    model, data = made["translation"]
    index = np.array([4, 1, 9])
    judged = model.judge(data, index)
    assert judged.written == model.translate([data.sources[i] for i in index])
    wanted = bleu_of_translations(judged.written, [[data.targets[i]] for i in index])
    np.testing.assert_array_equal(judged.predictions.statistics, wanted)


def test_image_files_get_the_captions_of_the_data_set(made: dict[str, Made]) -> None:
    model, data = made["captioning"]
    index = np.array([3, 0])
    judged = model.judge(data, index)
    paths = [Path(data.name) / "images" / data.files[i] for i in index]
    assert judged.written == model.caption(paths) == [model.caption([path])[0] for path in paths]
    assert {len(text.split()) for text in judged.written} == {model.processor.length}  # it would go on
    wanted = bleu_of_captions(judged.written, [data.captions[i] for i in index])
    np.testing.assert_array_equal(judged.predictions.statistics, wanted)
    assert model.caption([]) == []
    with one_line(DataError, "images should be a list"):
        model.caption(paths[0])


def test_lines_of_any_width_are_read_as_alone(made: dict[str, Made], lines: list[Path], tmp_path: Path) -> None:
    model, data = made["transcription"]
    wide = tmp_path / "wide.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 300), dtype=np.uint8)).save(wide)
    paths = [wide, *lines[:5]]
    read = model.read(paths)
    assert read == [model.read([path])[0] for path in paths]
    judged = model.judge(data, np.arange(5))
    assert judged.written == read[1:]
    np.testing.assert_array_equal(judged.predictions.statistics, character_edits(read[1:], data.texts[:5]))
    assert model.read([]) == []


@pytest.mark.parametrize("task", ["captioning", "transcription"])
def test_a_file_that_is_no_image(made: dict[str, Made], task: str, tmp_path: Path) -> None:
    (tmp_path / "no.png").write_text("no image")
    model = made[task][0]
    with one_line(DataError, "no.png"):
        (model.caption if task == "captioning" else model.read)([tmp_path / "no.png"])


@pytest.mark.parametrize("task", WRITERS)
def test_a_search_is_chosen_and_bounded(made: dict[str, Made], task: str) -> None:
    model, data = made[task]
    greedy = model.judge(data, np.arange(4)).written
    try:
        model.search(3)
        assert len(model.judge(data, np.arange(4)).written) == 4
        model.search(1)
        assert model.judge(data, np.arange(4)).written == greedy
        for width in (0, 1001):
            with one_line(EcrnnError, f"the beam should be 1 to 1000 wide, not {width}"):
                model.search(width)
    finally:
        model.search(1)
