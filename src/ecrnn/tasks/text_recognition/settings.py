"""Settings of lines of text. No torch here."""

from ecrnn.core.config import TaskSettings
from ecrnn.core.form import Height, VocabularySize


class LineSettings(TaskSettings):
    """Which lines of text, and the form to which they are brought; defaults stand in the facts."""

    height: Height | None = None  # None: 32
    vocabulary: VocabularySize | None = None  # None: all of the training texts
