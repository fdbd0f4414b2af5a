"""Seeds: every random choice is drawn from a stream of its own, named by what it is for.

A study's seed and the number of the repeat give the seed of its trials; all models of a repeat get the same one, so
they start from the same draws and see the same order of images.
"""

from __future__ import annotations

import numpy as np


def trial_seed(seed: int, repeat: int) -> int:
    """The seed of every trial of one repeat of a study: a whole number below 2**31.

    >>> trial_seed(0, 0) != trial_seed(0, 1) != trial_seed(1, 0)
    True
    """
    return int(np.random.SeedSequence([seed, repeat]).generate_state(1)[0]) >> 1
