"""Settings of pairs of sentences. No torch here."""

from ecrnn.core.config import TaskSettings
from ecrnn.core.form import Length, Tokens, VocabularySize


class TranslationSettings(TaskSettings):
    """Which pairs of sentences, and the form to which they are brought; defaults stand in the facts."""

    tokens: Tokens
    vocabulary: VocabularySize | None = None  # None: all of the training sentences
    length: Length
