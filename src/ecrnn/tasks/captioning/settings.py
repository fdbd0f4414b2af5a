"""Settings of images with captions. No torch here."""

from ecrnn.core.config import TaskSettings
from ecrnn.core.form import Fit, ImageSize, Length, Tokens, VocabularySize


class CaptionSettings(TaskSettings):
    """Which images with captions, and the form to which they are brought; defaults stand in the facts."""

    image_size: ImageSize | None = None  # None: the data set's own
    fit: Fit = "cut"
    tokens: Tokens
    vocabulary: VocabularySize | None = None  # None: all of the training captions
    length: Length
