"""Settings of images. No torch here."""

from ecrnn.core.config import TaskSettings
from ecrnn.core.form import BadData, Channels, Fit, ImageSize


class ImageSettings(TaskSettings):
    """Which images, and the form to which they are brought; defaults stand in the facts."""

    image_size: ImageSize | None = None  # None: the data set's own, 32 for a folder
    channels: Channels | None = None
    fit: Fit = "cut"
    bad_data: BadData = "refuse"
    groups: str | None = None  # a table of the groups of the files of a folder
