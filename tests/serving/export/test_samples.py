"""On which examples an exported file is compared with its model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from serving.export import small_bundles

from ecrnn.core.errors import EcrnnError
from ecrnn.serving.export.samples import samples, synthetic_image
from ecrnn.serving.load import load


def form_of(tmp_path: Path, data: object, name: str = "mlp-4", image: tuple[int, int, int] = (1, 16, 16)) -> Any:
    model = load(small_bundles.write(tmp_path / "bundle", name, image, {"data": data}), "cpu")
    return model.task.code("export")(model)


def test_the_data_of_the_training_where_it_needs_no_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECRNN_CACHE", str(tmp_path / "cache"))
    found = samples(form_of(tmp_path, "digits"), None, None)
    assert (found.source, found.real, len(found.examples)) == ("10 images of digits", True, 10)
    assert all(image.shape == (16, 16, 1) and image.dtype == np.uint8 for image in found.examples)


@pytest.mark.parametrize("data", ["mnist", "/etc", "elsewhere", None, 7])
def test_nothing_is_fetched_and_no_path_of_a_bundle_is_followed(
    data: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECRNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("ecrnn.data.downloads.fetch", lambda *arguments: pytest.fail("a download"))
    form = form_of(tmp_path, data)
    found, again = samples(form, None, None), samples(form, None, None)
    assert (found.source, found.real) == ("10 synthetic images", False)
    assert all((a == b).all() for a, b in zip(found.examples, again.examples, strict=True))


def test_a_folder_that_only_the_bundle_names_is_not_read(tmp_path: Path) -> None:
    for name in ("ant/1.png", "bee/2.png"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True)
        Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(tmp_path / "photos" / name)
    form = form_of(tmp_path, str(tmp_path / "photos"))
    assert not samples(form, None, None).real
    assert samples(form, str(tmp_path / "photos"), None).real


def test_a_folder_that_is_named_and_its_files_as_whole_images(tmp_path: Path) -> None:
    (tmp_path / "photos" / "ant").mkdir(parents=True)
    (tmp_path / "photos" / "bee").mkdir()
    pixels = synthetic_image(np.random.default_rng(0), 30, 50, 3)
    for name in ("ant/1.png", "ant/2.png", "bee/3.png"):
        Image.fromarray(pixels).save(tmp_path / "photos" / name)
    found = samples(form_of(tmp_path, "elsewhere"), str(tmp_path / "photos"), None)
    assert (len(found.examples), found.real) == (3, True)
    wholes = found.whole_images()
    assert (wholes[0] == pixels).all()
    assert len({image.shape for image in wholes}) == 6
    with pytest.raises(EcrnnError, match="does not exist"):
        samples(form_of(tmp_path, "elsewhere"), str(tmp_path / "nowhere"), None)


@pytest.mark.parametrize("name", ["sentiment-gru-4", "sequence-gru-4", "frames-gru-4", "ocr-gru-4"])
def test_synthetic_examples_of_every_task_are_read_by_the_model(name: str, tmp_path: Path) -> None:
    form = form_of(tmp_path, "elsewhere", name)
    found = samples(form, None, None)
    assert found.source == f"10 synthetic {form.noun}"
    inputs, answers = form.collate(found.examples), form.answers(found.examples)
    assert {len(array) for array in (*inputs, *answers.values())} == {10}
    assert len(inputs) == len(form.inputs)
    assert set(answers) == set(form.outputs)
    assert all(np.isfinite(array).all() for array in answers.values())
