"""What a figure is: a drawing with a title and a caption, as `ecrnn.report.table` has it for tables."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """``svg`` is an element to stand in a page, safe as it is; ``caption`` is text. ``key`` is its name in files."""

    key: str
    title: str
    caption: str
    svg: str
