"""Settings of numeric sequences. No torch here."""

from ecrnn.core.config import TaskSettings
from ecrnn.core.form import Length


class SequenceSettings(TaskSettings):
    """Which numeric sequences, and the form to which they are brought; defaults stand in the facts."""

    length: Length  # in steps, of what a network reads
