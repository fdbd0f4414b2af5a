"""Settings of clips. No torch here."""

from ecrnn.core.config import TaskSettings
from ecrnn.core.form import Channels, Fit, Frames, ImageSize


class ClipSettings(TaskSettings):
    """Which clips, and the form to which they are brought; defaults stand in the facts."""

    frames: Frames
    image_size: ImageSize | None = None  # None: the frames' own, 32 for a folder
    channels: Channels | None = None
    fit: Fit = "cut"
