"""Shared studies: made once, read by many tests, written to by none (their reports go elsewhere)."""

from __future__ import annotations

from pathlib import Path

import pytest
from report.across import make_studies
from report.synthetic import make_study

from ecrnn.report import Analysis, analyse, read_study

FAILED, MISSING = ("crnn-bilstm-16", 4), ("ecrnn-bilstm-16", 9)


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three models, ten repeats, one failed trial and one never started."""
    folder = tmp_path_factory.mktemp("runs") / "study"
    return make_study(folder, n_validation=600, failed=[FAILED], missing=[MISSING])


@pytest.fixture(scope="session")
def analysis(study: Path) -> Analysis:
    return analyse(read_study([study]))


@pytest.fixture(scope="session")
def studies(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Of five data sets, of the same three models."""
    return make_studies(tmp_path_factory.mktemp("across"))
