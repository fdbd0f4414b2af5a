"""One small bundle and its ONNX file, made once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from serving.export import small_bundles

from ecrnn.serving.export.exporting import Exported, export


@pytest.fixture(scope="session")
def small_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_bundles.write(tmp_path_factory.mktemp("small") / "bundle", "crnn-bigru-3-2@rows", (3, 8, 12))


@pytest.fixture(scope="session")
def exported(small_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Exported, list[Any]]:
    """What `export` gave, and the events of its progress."""
    pytest.importorskip("onnxruntime", reason="no onnxruntime: pip install 'ecrnn[onnx]'")
    events: list[Any] = []
    return export(small_bundle, tmp_path_factory.mktemp("exported") / "small.onnx", progress=events.append), events
