"""A small bundle with an untrained network, made once."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from ecrnn.core.tasks import TASKS
from ecrnn.data.preprocessing import Preprocessing
from ecrnn.models.build import build
from ecrnn.models.names import parse
from ecrnn.models.processor import Processor
from ecrnn.serving.bundle import Description, describe, write_bundle

IMAGE = (3, 9, 12)
CLASSES = ("ant", "bee", "cat")


MODEL = "ecrnn-bilstm-3@rows"


def prepare(classes: tuple[str, ...] = CLASSES) -> Processor:
    return Processor(TASKS["image-classification"], classes, Preprocessing(IMAGE, (120.0,), (60.0,)))


def network_of(description: Description) -> torch.nn.Module:
    network = build(description.model, tuple(description.preprocessing["image"]), len(description.classes), seed=3)
    network.train()(torch.randn(8, *description.preprocessing["image"], generator=torch.Generator().manual_seed(0)))
    return network.eval()


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def description() -> Description:
    return describe(parse(MODEL), prepare())


@pytest.fixture(scope="session")
def processor() -> Processor:
    return prepare()


@pytest.fixture(scope="session")
def network(description):
    return network_of(description)


@pytest.fixture(scope="session")
def whole_bundle(tmp_path_factory, processor, network) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "bundle"
    write_bundle(folder, network, parse(MODEL), processor, {"accuracy": 0.5}, "# card\n")
    return folder


@pytest.fixture
def bundle(whole_bundle, tmp_path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(whole_bundle, tmp_path / "bundle"))


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    """uint8 (6, 9, 12, 3)."""
    return np.random.default_rng(0).integers(0, 256, (6, 9, 12, 3), dtype=np.uint8)
