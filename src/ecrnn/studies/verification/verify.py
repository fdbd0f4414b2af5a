"""`verify`: a study, an archive or a bundle, looked at from its digests to a training done again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ecrnn.core.across_plan import is_across
from ecrnn.core.config import StudySettings
from ecrnn.core.errors import EcrnnError, RunDirectoryError, UnknownNameError
from ecrnn.core.events import Progress, silent
from ecrnn.core.files import path_of
from ecrnn.core.reading import there
from ecrnn.core.runs import STUDY, read_settings
from ecrnn.core.spelling import on_disk
from ecrnn.data.example_set import ExampleSet, LabelledSet
from ecrnn.models.own_code import load_code
from ecrnn.serving.bundle import is_bundle
from ecrnn.serving.trained_on import STUDY_FILE, read_study
from ecrnn.studies.engines.protocol import Trial
from ecrnn.studies.trials import load
from ecrnn.studies.verification.again import NAME, check_trial, other_machine
from ecrnn.studies.verification.of_bundle import check_bundle
from ecrnn.studies.verification.result import Check, Verification, check
from ecrnn.studies.verification.stored import StoredStudy, check_stored

NONE = "none"


def verify(
    run: str | Path,
    train: str | tuple[str, int] | None = None,
    *,
    data_dir: str | Path | None = None,
    code: str | Path | None = None,
    progress: Progress = silent,
) -> Verification:
    """Look whether a study, an archive of one, or a bundle is what was trained.

    Digests are compared; what is kept twice is compared with each other; splits are drawn again; scores are computed
    again from the predictions; and one training is done again, in a temporary folder, and compared to the bit.

    Args:
        run: folder of a study or of its archive, or a bundle.
        train: "MODEL:REPEAT" or (model, repeat), which is trained again; "none": no training and nothing else that
            needs the data; None: the trial of a study that took the least time, or the training of a bundle.
        data_dir: local copies of registered data sets; default: where the study had them.
        code: a Python file with the models of the study, which is run.
        progress: called with everything that happens, see `ecrnn.core.events`.

    Returns:
        All checks; its ``holds`` says whether all of them hold. A check that could not be made is "open".

    Raises:
        EcrnnError: ``run`` is none of these, or has no such trial.

    Examples:
        >>> import ecrnn
        >>> _ = ecrnn.compare("digits", ["cnn", "ecnn"], repeats=2, image_size=8, epochs=2, out="digits")
        >>> ecrnn.verify("digits").holds
        True
    """
    if code is not None:
        load_code(path_of(code, "code"))
    folder = on_disk(path_of(run, "a run directory or a bundle"))
    place = path_of(data_dir, "data_dir") if data_dir else None
    if is_bundle(folder):
        if train not in (None, NONE):
            raise EcrnnError(f"{folder} is a bundle, which is of one training; leave train out, or give 'none'")
        return Verification(folder, "bundle", check_bundle(folder, train is None, place, progress))
    if is_across(folder):
        raise RunDirectoryError(f"{folder} holds a study for each of several data sets; give one of them")
    if not there(folder / STUDY):
        raise RunDirectoryError(
            f"{folder} is no study and no bundle; give a folder that compare, train or bundle wrote"
        )
    try:
        settings = read_settings(folder)
        data, fault = _loaded(settings, place, progress) if train != NONE else (None, "")
        study = check_stored(folder, data)
    except UnknownNameError:
        raise
    except EcrnnError as error:
        return Verification(folder, "study", (check("seals", "", [str(error)]),))
    if train != NONE:
        study.checks += _with_data(study, _trial(study, train), place, fault, progress)
    return Verification(folder, "archive" if study.archive else "study", tuple(study.checks))


def _loaded(settings: StudySettings, data_dir: Path | None, progress: Progress) -> tuple[ExampleSet | None, str]:
    """The data of a study, or why it is not at hand."""
    try:
        return load(_placed(settings, data_dir), progress), ""
    except EcrnnError as error:
        return None, str(error)


def _placed(settings: StudySettings, data_dir: Path | None) -> StudySettings:
    """The settings with the place where local copies of data sets lie now, if another was named."""
    return settings if data_dir is None else settings.model_copy(update={"data_dir": str(data_dir)})


def _trial(study: StoredStudy, train: str | tuple[str, int] | None) -> Trial | None:
    """The trial to be trained again, None where there is none that is whole."""
    if train is None:
        seconds = {trial: facts.get("seconds") for trial, facts in study.facts.items()}
        return min(seconds, key=lambda trial: (seconds[trial] is None, seconds[trial]), default=None)
    model, repeat = train if isinstance(train, tuple) else _parsed(train)
    settings = study.settings
    repeats = range(settings.first_repeat, settings.first_repeat + settings.repeats)
    if model not in settings.models or repeat not in repeats:
        known = f"its models are {', '.join(settings.models)}, its repeats {repeats.start} to {repeats.stop - 1}"
        raise UnknownNameError(f"{study.folder} has no trial {model}:{repeat}; {known}")
    if (model, repeat) not in study.facts:
        raise RunDirectoryError(f"{model}, repeat {repeat} of {study.folder} is not whole; choose another trial")
    return model, repeat


def _parsed(text: str) -> Trial:
    model, colon, repeat = text.rpartition(":")
    if not (colon and model and repeat.isascii() and repeat.isdigit() and len(repeat) < 10):
        raise EcrnnError(f"the trial to train again is MODEL:REPEAT, as in cnn:0, or none, not '{text}'")
    return model, int(repeat)


def _with_data(
    study: StoredStudy, trial: Trial | None, data_dir: Path | None, fault: str, progress: Progress
) -> list[Check]:
    """The checks for which the data is needed; ``fault``: why it is not at hand."""
    if trial is None:
        return [check(NAME, "", unknown=["no trial is whole, so none could be trained again"])]
    if study.data is None:
        line = f"the data is not at hand: {fault}"
        no_training = "nothing was trained again without the data"
        return [check("data", "", unknown=[line]), check(NAME, "", unknown=[no_training])]
    machine, settings = other_machine(study.folder, study.facts[trial]), _placed(study.settings, data_dir)
    again = check_trial(study.folder, settings, trial, study.data, machine, progress)
    return [_data(study, study.data), again]


def _data(study: StoredStudy, data: ExampleSet) -> Check:
    """The examples of the data against what the study keeps of them."""
    wrong = []
    for trial, facts in study.facts.items():
        if facts.get("n_images", len(data)) != len(data):
            wrong.append(
                f"{trial[0]}, repeat {trial[1]} is of {facts['n_images']:,} examples, the data has {len(data):,}"
            )
    if isinstance(data, LabelledSet) and study.labels:
        places = np.fromiter(study.labels, np.int64)
        if places.min() < 0 or places.max() >= len(data):
            wrong.append(f"predictions are of examples that are not among the {len(data):,} of the data")
        elif others := int((data.labels[places] != np.fromiter(study.labels.values(), np.int64)).sum()):
            wrong.append(
                f"{others:,} of {len(places):,} examples have another class in the predictions than in the data"
            )
    keys = read_study_keys(study.folder, study.settings.fingerprint)
    if keys is not None and not np.array_equal(keys.keys, data.keys().keys):
        wrong.append(f"{STUDY_FILE} is of other examples than the data")
    fingerprint = f"fingerprint {data.fingerprint[:12]}"
    return check(
        "data", f"{len(data):,} examples with the study's {fingerprint}, and the classes of the predictions", wrong
    )


def read_study_keys(folder: Path, fingerprint: str | None) -> Any:
    """The keys of a study; None where there are none or they are damaged, which another check says."""
    try:
        return read_study(folder / STUDY_FILE, fingerprint)
    except EcrnnError:
        return None
