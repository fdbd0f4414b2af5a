"""A look at every image file of a folder, in bounded memory: of an image stay its keys, its size and what is odd.

That is some 50 bytes an image beside its name; a decoded image is dropped before the next is begun, one a thread, and
of large ones two at a time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ecrnn.core.events import Loading, Progress, silent
from ecrnn.data.check.one_image import Fault, inspect
from ecrnn.data.image_file import quiet_pillow

_CHUNK = 128  # files handed to the threads at a time


@dataclass
class Survey:
    """What is known of the files of a folder; arrays have one entry a file, 0 where it cannot be read.

    Attributes:
        readable: bool (N,).
        content: uint64 (N,), a hash of the decoded image.
        look, mirrored: uint64 (N,), perceptual hashes of the image and of its mirror image.
        flat: bool (N,), too little contrast for a look.
        width, height: int32 (N,), upright.
        format, camera: int32 (N,), places in ``formats`` and ``cameras``, of which the first is "" for none.
        faults: of files that cannot be read the kind of finding and the reason.
        traits: of each kind of finding the files that give cause for it, by their place.
    """

    readable: np.ndarray
    content: np.ndarray
    look: np.ndarray
    mirrored: np.ndarray
    flat: np.ndarray
    width: np.ndarray
    height: np.ndarray
    format: np.ndarray
    camera: np.ndarray
    formats: list[str] = field(default_factory=lambda: [""])
    cameras: list[str] = field(default_factory=lambda: [""])
    faults: dict[int, Fault] = field(default_factory=dict)
    traits: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))


def survey(folder: Path, files: Sequence[str], jobs: int, progress: Progress = silent) -> Survey:
    """Look at every file once.

    Args:
        folder: where they lie.
        files: relative to it.
        jobs: number of threads.
        progress: called with `Loading` events.
    """
    count = len(files)
    readable, flat = (np.zeros(count, bool) for _ in range(2))
    content, looks, mirrored = (np.zeros(count, np.uint64) for _ in range(3))
    width, height, forms, cameras = (np.zeros(count, np.int32) for _ in range(4))
    found = Survey(readable, content, looks, mirrored, flat, width, height, forms, cameras)
    place_of_format, place_of_camera = {"": 0}, {"": 0}
    with quiet_pillow(), ThreadPoolExecutor(jobs) as pool:
        for start in range(0, count, _CHUNK):
            chunk = files[start : start + _CHUNK]
            for i, facts in enumerate(pool.map(lambda name: inspect(folder / name), chunk), start):
                if isinstance(facts, Fault):
                    found.faults[i] = facts
                    continue
                readable[i], content[i] = True, facts.content
                looks[i], mirrored[i], flat[i] = facts.look
                width[i], height[i] = facts.width, facts.height
                forms[i] = place_of_format.setdefault(facts.format, len(place_of_format))
                cameras[i] = place_of_camera.setdefault(facts.camera, len(place_of_camera))
                for kind in facts.traits:
                    found.traits[kind].append(i)
            progress(Loading("images", min(start + _CHUNK, count), count))
    found.formats, found.cameras = list(place_of_format), list(place_of_camera)
    return found
