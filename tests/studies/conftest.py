"""What the tests of studies share: a folder of 48 images of four classes, studies of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from studies.nodes import RayCluster, ray_cluster
from studies.small import Study
from training.trainings import image_set


@pytest.fixture
def no_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """No file of models is loaded, whatever other tests of this process have loaded."""
    monkeypatch.setattr("ecrnn.models.own_code._loaded", {})


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_images(tmp_path_factory.mktemp("data") / "images")


def make_images(place: Path, first: int = 0) -> Path:
    images = image_set(48)
    for number in range(first, 48):
        path = place / "abcd"[images.labels[number]] / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.asarray(images.images[number])).save(path)
    return place


@pytest.fixture(scope="session")
def study(folder: Path) -> Study:
    return Study(str(folder))


@pytest.fixture(scope="session")
def left_alone(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of two models and two repeats that nobody stopped, in one process. Not to be written to."""
    place = tmp_path_factory.mktemp("left-alone") / "study"
    outcome = study.run(place)
    assert len(outcome.trained) == 4
    return place


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[RayCluster]:
    """As of `studies.nodes.ray_cluster`."""
    with ray_cluster(tmp_path) as made:
        yield made
