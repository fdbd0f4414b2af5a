"""Settings of texts. No torch here."""

from ecrnn.core.config import TaskSettings
from ecrnn.core.form import Length, Tokens, VocabularySize


class TextSettings(TaskSettings):
    """Which texts, and the form to which they are brought; defaults stand in the facts."""

    tokens: Tokens
    vocabulary: VocabularySize | None = None  # None: all of the training texts
    length: Length
