"""The scripts in examples/ run, on small data."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import Commands

from ecrnn.core.config import StudySettings, read_yaml

EXAMPLES = Path(__file__).parents[1] / "examples"
SMALL = {
    "compare_scans.py": ["--image-size", "8", "--epochs", "1"],
    "cross_validation.py": [],
    "how_far_back.py": ["--steps", "40", "--seeds", "1", "--images", "8"],
}


def test_every_example_is_run() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(SMALL)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SMALL))
def test_example(name: str, tmp_path: Path, commands: Commands) -> None:
    done = commands("python", str(EXAMPLES / name), *SMALL[name], folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_the_demo_is_a_study_of_three_models_and_three_repeats() -> None:
    settings = StudySettings.read({"data": "digits", **read_yaml(EXAMPLES / "demo.yaml")})
    assert len(settings.models) == 3
    assert settings.repeats == 3
