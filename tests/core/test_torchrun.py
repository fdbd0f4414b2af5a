"""The place of a process is what torchrun says, and nobody else."""

from __future__ import annotations

from typing import Any

import pytest
from core.lines import one_line

from ecrnn.core.errors import SettingsError
from ecrnn.core.torchrun import Place, place, refuse_several

ENVIRONMENT = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4", "TORCHELASTIC_RUN_ID": "x"}


def test_the_place_is_that_of_torchruns_variables() -> None:
    assert place(ENVIRONMENT) == Place(5, 8, 1, 4)


def test_variables_of_others_are_not_torchruns() -> None:
    assert place({key: value for key, value in ENVIRONMENT.items() if "TORCH" not in key}) == Place(0, 1, 0, 1)


def test_only_the_first_says_that_other_commands_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from ecrnn.cli.main import main

    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with one_line(SettingsError, "8 processes", "'ecrnn train'", "ecrnn plan"):
        refuse_several("ecrnn plan")
    complaints: list[Any] = []
    monkeypatch.setattr("ecrnn.cli.main.complain", complaints.append)
    for rank in ("0", "5"):
        monkeypatch.setenv("RANK", rank)
        with pytest.raises(SystemExit, match="2"):
            main(["summary", "cnn"])
    assert len(complaints) == 1
