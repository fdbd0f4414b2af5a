"""What a call of `ecrnn.studies.study.run_study` did."""

from __future__ import annotations

from dataclasses import dataclass, field

from ecrnn.studies.engines.protocol import Trial


@dataclass
class Outcome:
    """What one call of `run_study` did: trials found finished, trained now, and failed with their lines."""

    found: list[Trial] = field(default_factory=list)
    trained: list[Trial] = field(default_factory=list)
    failed: dict[Trial, str] = field(default_factory=dict)
