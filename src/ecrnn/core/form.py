"""The form of examples: types and bounds of settings that several tasks share, or that files of runs name."""

from typing import Annotated, Literal

from pydantic import Field

from ecrnn.core.tasks import MAX_LENGTH

#: Settings of the form of examples that `ecrnn.core.config.DataSettings` names.
FORM = (
    *("bad_data", "groups"),  # of folders of files
    *("image_size", "channels", "fit", "frames", "height", "tokens", "vocabulary", "length"),
)

FRAMES, HEIGHTS = (1, 4096), (8, 512)
ImageSize = Annotated[int, Field(ge=8, le=1024)]  # pixels a side
Channels = Literal[1, 3]
Fit = Literal["cut", "pad", "stretch", "cut-half-pixels"]  # of images of other shapes, see `ecrnn.data.fitting`
FIT_BEFORE: Fit = "cut-half-pixels"  # of what was saved before there was a choice
BadData = Literal["refuse", "skip"]  # files that cannot be read
Frames = Annotated[int, Field(ge=FRAMES[0], le=FRAMES[1])]  # of a clip
Height = Annotated[int, Field(ge=HEIGHTS[0], le=HEIGHTS[1])]  # pixels of a line of text; the width goes with it
Tokens = Literal["characters", "bytes", "words", "subwords"]  # what a text is cut into
VocabularySize = Annotated[int, Field(ge=5, le=1_000_000)]  # tokens at most
Length = Annotated[int, Field(ge=2, le=MAX_LENGTH)]  # longest text in tokens; of a language model the block
