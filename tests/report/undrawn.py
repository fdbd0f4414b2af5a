"""Reports without their figures, for tests that look at something else."""

from __future__ import annotations

from typing import Any

import pytest


def leave_undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports of studies have one empty figure, beside that of a supplement."""
    from ecrnn.report.figure import Figure
    from ecrnn.report.render import write

    def draw(analysis: Any) -> tuple[Figure, ...]:
        supplement = () if analysis.supplement is None else (analysis.supplement.draw(),)
        return (*supplement, Figure("scores", "Scores", "", "<svg ><title>Scores</title></svg>"))

    monkeypatch.setattr(write, "draw_figures", draw)
