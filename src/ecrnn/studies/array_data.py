"""Arrays as the data of a study: they lie in its folder, so that its workers and whoever repeats it have them."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from ecrnn.core.config import StudySettings, TrainSettings
from ecrnn.core.errors import DataError, EcrnnError
from ecrnn.core.reading import check_inside
from ecrnn.data.array_files import read_array_groups, read_arrays, write_arrays
from ecrnn.data.catalogue import refuse_parts
from ecrnn.data.groups import of_array, with_groups
from ecrnn.data.image_set import ImageSet, make_image_set
from ecrnn.models.names import common_task
from ecrnn.studies.settings import models_of
from ecrnn.studies.tasks import check_classes, task_settings

ARRAYS = "arrays.npz"
Arrays = tuple[Any, Any]  # X and y


def images_of(arrays: Arrays, settings: StudySettings | TrainSettings, groups: Any = None) -> ImageSet:
    """The examples of a study or a training from arrays.

    Args:
        arrays: X and y.
        groups: the group of each example, which no split parts; None: each stands alone.
        settings: whose ``data`` is what the examples are called.

    Raises:
        EcrnnError: the models' task takes no arrays, or these are not as it should be; one line.
    """
    task = common_task(models_of(settings))
    if not task.of_arrays:
        raise EcrnnError(f"{task.name} takes no arrays (X, y); give a file or a folder")
    if len(arrays) != 2:
        raise DataError(f"arrays are given as (X, y), not {len(arrays)} of them")
    refuse_parts("arrays", settings.val, settings.test)
    images: ImageSet = task.code("of_arrays")(*arrays, settings.data, task_settings(task, settings))
    check_classes(images)
    return images if groups is None else with_groups(images, of_array(groups, len(images)))


def keep_arrays(data: ImageSet, study: Path) -> None:
    """Write the images and labels of a study into its folder, unless they lie there already.

    Raises:
        EcrnnError: the disk refuses, or a link leads out of the folder.
    """
    path = study / ARRAYS
    check_inside(path, study)
    with contextlib.suppress(EcrnnError):  # missing, cut or another file: written anew
        if make_image_set(ARRAYS, *read_arrays(path, "images"), groups=read_array_groups(path)).fingerprint == (
            data.fingerprint
        ):
            return
    write_arrays(path, "images", data.images, data.labels, data.classes, data.groups)
