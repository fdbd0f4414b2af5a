"""The same models on many data sets: a study each, below one folder, to be continued until all are finished."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ecrnn.core.across_plan import ACROSS, MODERATORS, AcrossPlan, check_name, is_across, noted, read_plan, write_plan
from ecrnn.core.config import StudySettings
from ecrnn.core.errors import EcrnnError, RunDirectoryError, unknown_name
from ecrnn.core.events import Message, Progress, silent
from ecrnn.core.files import make_folder
from ecrnn.core.reading import there
from ecrnn.core.runs import STUDY, check_free, read_settings
from ecrnn.core.spelling import nfc
from ecrnn.models.names import common_task
from ecrnn.models.spec import check
from ecrnn.studies.engines.protocol import Place, Trial
from ecrnn.studies.places import data_name
from ecrnn.studies.settings import check_plan, models_of
from ecrnn.studies.study import run_study
from ecrnn.studies.tasks import prepare
from ecrnn.studies.trials import load, split_of


def run_across(
    settings: Sequence[StudySettings],
    out: Path,
    *,
    moderators: Sequence[str] = (),
    jobs: int = 1,
    engine: Place = None,
    trials_per_gpu: int | None = None,
    progress: Progress = silent,
) -> dict[tuple[str, Trial], str]:
    """Train what is not finished yet of the studies of all data sets.

    All data is read once before anything is trained, so that what is wrong with the last data set is known at once.

    Args:
        settings: one study a data set, with the same models.
        out: the folder of all; each study lies below it, in a folder called as its data.
        moderators: names in `ecrnn.core.across_plan.MODERATORS`, written down before the first training.
        jobs, engine, trials_per_gpu, progress: as of `ecrnn.studies.study.run_study`.

    Returns:
        The lines of the trials that failed, by data set and trial.

    Raises:
        EcrnnError: wrong names, data or settings, one data set twice, or a folder that was begun with other moderators;
            before anything is trained.
        Interrupted: by a signal; what is finished is kept and the same call goes on.
    """
    for name in moderators:
        if name not in MODERATORS:
            raise unknown_name("moderator", name, MODERATORS)
    studies = _by_name(settings)
    plan = AcrossPlan(
        data={name: study.data for name, study in studies.items()}, moderators=tuple(dict.fromkeys(moderators))
    )
    plan = _continued(out, plan)
    studies = {name: _with_moderators(study, out / name, plan) for name, study in studies.items()}
    _check_data(studies, out, progress)
    make_folder(out)
    write_plan(out, plan)
    failed: dict[tuple[str, Trial], str] = {}
    for number, (name, study) in enumerate(studies.items(), 1):
        progress(Message(f"data set {number} of {len(studies)}: {name}"))
        outcome = run_study(
            study, out / name, jobs=jobs, engine=engine, trials_per_gpu=trials_per_gpu, progress=progress
        )
        failed |= {(name, trial): line for trial, line in outcome.failed.items()}
    return failed


def _with_moderators(study: StudySettings, folder: Path, plan: AcrossPlan) -> StudySettings:
    """The study with the moderators of the plan, unless it was begun by a version that noted none."""
    if there(folder / STUDY) and read_settings(folder).across_moderators is None:
        return study
    return study.model_copy(update={"across_moderators": noted(plan.moderators)})


def _by_name(settings: Sequence[StudySettings]) -> dict[str, StudySettings]:
    """The studies by the folders that they get."""
    if len(settings) < 2:
        raise EcrnnError("a comparison across data sets wants two of them or more")
    studies: dict[str, StudySettings] = {}
    for study in settings:
        name = nfc(data_name(study))
        check_name(name, study.data)
        if name in studies:
            line = f"'{studies[name].data}' and '{study.data}' are both called {name}"
            raise EcrnnError(f"{line}; rename a folder, since each study lies in one called as its data")
        studies[name] = study
    return studies


def _continued(out: Path, plan: AcrossPlan) -> AcrossPlan:
    """The plan, with the data sets that ``out`` was begun with before those that are new.

    Raises:
        RunDirectoryError: ``out`` holds something else, or was begun with another plan.
    """
    if not is_across(out):
        check_free(out, "a comparison", ACROSS, "--out")
        return plan
    before = read_plan(out)
    if plan.moderators not in (before.moderators, ()):
        named = f"the moderators {', '.join(before.moderators)}" if before.moderators else "no moderators"
        raise RunDirectoryError(f"{out} was begun with {named}, and they do not change; choose another --out")
    for name, data in before.data.items():
        if plan.data.get(name, data) != data and not same_place(plan.data[name], data):
            raise RunDirectoryError(f"{out} was begun with {data} as {name}, not with {plan.data[name]}")
    return before.model_copy(update={"data": {**before.data, **plan.data}})


def same_place(one: str, other: str) -> bool:
    """Whether two spellings of data are one folder."""
    return Path(one).resolve() == Path(other).resolve()


def _check_data(studies: Mapping[str, StudySettings], out: Path, progress: Progress) -> None:
    """Read all data, draw its splits, see whether the models take it, and refuse one data set twice."""
    seen: dict[str, str] = {}
    for name, study in studies.items():
        models, folder = models_of(study), out / name
        check_plan(study, read_settings(folder) if there(folder / STUDY) else None, folder)
        data = load(study, progress)
        if data.fingerprint in seen:
            raise EcrnnError(f"{seen[data.fingerprint]} and {name} are one data set; more splits of it are --repeats")
        seen[data.fingerprint] = name
        last = study.first_repeat + study.repeats
        splits = [split_of(data, study, repeat) for repeat in range(study.first_repeat, last)]
        check(prepare(common_task(models), data, splits[0], study).sizes, *models)
