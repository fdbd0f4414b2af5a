"""Bundles of format 1, as they were written before there were digests, with changes that no digest gives away."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def to_format_1(folder: Path, **changes: Any) -> None:
    """Make the bundle in ``folder`` one of format 1, with ``changes`` in its bundle.json; None takes a key away."""
    path = folder / "bundle.json"
    values = json.loads(path.read_text()) | {"format": 1, "files": None, "digest": None} | changes
    path.write_text(json.dumps({key: value for key, value in values.items() if value is not None}))
