"""The embedded clips: a small figure that climbs, falls, stands, or walks left or right, in noise.

No single frame tells the classes apart. The image wraps around at its edges, and at every moment of every class the
figure's place, step and brightness have the same distribution, uniform. Only how the place changes differs:

    climbs        up, at constant speed
    falls         down, from rest, as under gravity
    stands        not at all
    walks left, walks right
"""

from __future__ import annotations

import numpy as np

from ecrnn.data import counter_rng

CLASSES = ("climbs", "falls", "stands", "walks left", "walks right")
COUNT, N_TRAIN = 4000, 3200  # clips, and those of them that are the training part; the same number of each class
SIDE = 32  # pixels
_STREAM = 101  # of `counter`; apart from those that it names
_NOISE = 48  # levels of grey, from 0

_BODY = (".##..", ".##..", "####.", ".##.#", ".##..")
_STEPS = (  # three rows of legs each
    (".##..", ".##..", ".##.."),
    (".##..", ".#.#.", "#..#."),
    (".##..", ".#.#.", "#...#"),
    (".##..", ".#.#.", ".#..#"),
)
_FIGURES = np.array([[[c == "#" for c in row] for row in _BODY + legs] for legs in _STEPS])  # (steps, 8, 5)


def make_moving(count: int, frames: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Clips, a function of (seed, clip, frame) alone.

    A figure goes 0.4 to 0.8 of the image's side from the first frame to the last, however many there are.

    Args:
        count: number of clips.
        frames: number of frames of a clip, at least 2 for the classes to differ.
        seed: another one gives other clips.

    Returns:
        clips uint8 (N, T, 32, 32, 1), and labels int64 (N,), which count through the classes.
    """
    index = np.arange(count)
    labels = index % len(CLASSES)
    row, column, step, bright, speed = _uniform(count, 5, seed)  # each (N, 1), in [0, 1)
    time = np.linspace(0, 1, frames)[None, :]  # (1, T)
    way = (0.4 + 0.4 * speed) * time  # of a side
    walks = np.isin(labels, [CLASSES.index("walks left"), CLASSES.index("walks right")])[:, None]
    down = np.select([labels[:, None] == 0, labels[:, None] == 1], [-way, way * time])
    across = np.select([labels[:, None] == 3, labels[:, None] == 4], [-way, way])
    step = (step + walks * 2 * time) % 1  # two cycles of the legs
    grey = (128 + 127 * bright + 0.5).astype(np.uint8)
    clips = np.empty((count, frames, SIDE, SIDE, 1), np.uint8)
    for i in index:  # one at a time, as the noise takes 64 bits a pixel
        noise = counter_rng.hashed((_STREAM, seed, 1, int(i)), np.arange(clips[i].size)) % np.uint64(_NOISE)
        clips[i] = noise.astype(np.uint8).reshape(clips[i].shape)
    height, width = _FIGURES.shape[1:]
    rows = np.floor((row + down) * SIDE).astype(np.int64)[..., None, None] + np.arange(height)[:, None]  # (N, T, 8, 1)
    columns = np.floor((column + across) * SIDE).astype(np.int64)[..., None, None] + np.arange(width)  # (N, T, 1, 5)
    place = np.broadcast_arrays(index[:, None, None, None], np.arange(frames)[None, :, None, None], rows, columns)
    seen = _FIGURES[(step * len(_FIGURES)).astype(np.int64)]  # (N, T, 8, 5)
    n, t, r, c = (part[seen] for part in place)
    clips[n, t, r % SIDE, c % SIDE, 0] = grey[n, 0]
    return clips, labels.astype(np.int64)


def _uniform(count: int, kinds: int, seed: int) -> list[np.ndarray]:
    """Draws in [0, 1) of each kind for each clip, (N, 1); those of a clip are the same however many clips there are."""
    bits = counter_rng.hashed((_STREAM, seed, 0), np.arange(count * kinds)) >> np.uint64(11)
    return [draws[:, None] for draws in (bits * 2.0**-53).reshape(count, kinds).T]
