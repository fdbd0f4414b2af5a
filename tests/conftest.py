"""What all tests share: real data where there is any, and the number of torch's threads."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets: ECRNN_TEST_DATA, else ../shared/data beside the repository.

    Where it is absent the test skips, or fails if ECRNN_REQUIRE_DATA is set, as in CI.
    """
    folder = Path(os.environ.get("ECRNN_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        if os.environ.get("ECRNN_REQUIRE_DATA"):
            pytest.fail(f"no real data in {folder}, and ECRNN_REQUIRE_DATA is set")
        pytest.skip(f"no real data in {folder} (ECRNN_TEST_DATA)")
    return folder
