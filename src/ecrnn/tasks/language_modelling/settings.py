"""Settings of blocks of a text. No torch here."""

from typing import Annotated, Literal

from pydantic import Field

from ecrnn.core.config import TaskSettings
from ecrnn.core.form import VocabularySize
from ecrnn.tasks.language_modelling.facts import LONGEST_BLOCK


class BlockSettings(TaskSettings):
    """Which blocks of a text, and the form to which they are brought; defaults stand in the facts."""

    tokens: Literal["characters"]
    vocabulary: VocabularySize | None = None  # None: all of the training blocks
    length: Annotated[int, Field(ge=2, le=LONGEST_BLOCK)]  # of a block
