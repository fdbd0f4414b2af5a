"""A study: k models x r repeats on one data set, in a folder, to be continued until every trial is finished."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from ecrnn.core.config import StudySettings
from ecrnn.core.devices import check_shares_gpu, environment, resolve
from ecrnn.core.errors import EcrnnError, RunDirectoryError, unknown_name
from ecrnn.core.events import Failed, Finished, Message, Progress, Waiting, silent
from ecrnn.core.files import disk_errors, write_atomically, write_json
from ecrnn.core.gpu_slots import jobs_on_gpus
from ecrnn.core.manifests import MANIFEST, checked_manifest, read_manifest
from ecrnn.core.ray_cluster import import_ray
from ecrnn.core.reading import check_inside, is_file, there
from ecrnn.core.runs import STUDY, check_free, grown, locked, read_settings, trial_folder, trial_home, write_settings
from ecrnn.core.seals import seal
from ecrnn.core.spelling import nfc
from ecrnn.core.text import counted
from ecrnn.core.trial_of_study import check_of_study
from ecrnn.data.example_set import ExampleSet
from ecrnn.data.image_set import ImageSet
from ecrnn.data.keys import Keys
from ecrnn.data.splits import Split, parse_split
from ecrnn.models.names import ModelName, common_task, parse
from ecrnn.models.own_check import check_models
from ecrnn.models.own_code import check_workers_know
from ecrnn.models.spec import check
from ecrnn.serving.trained_on import STUDY_FILE, TrainedOn, read_study, study_bytes
from ecrnn.studies.array_data import keep_arrays
from ecrnn.studies.attempt_folders import bring_home
from ecrnn.studies.engines.collecting import CollectingEngine
from ecrnn.studies.engines.local import LocalEngine
from ecrnn.studies.engines.processes import ProcessEngine
from ecrnn.studies.engines.protocol import Engine, OnRay, OpenStudy, Place, Trial
from ecrnn.studies.looks import check_sequential, next_trials, with_sequential_plan
from ecrnn.studies.outcome import Outcome
from ecrnn.studies.places import check_same_kind_of_data, data_name
from ecrnn.studies.planned import planned_trials
from ecrnn.studies.ray_tasks import run_on_ray
from ecrnn.studies.settings import as_begun, check_plan, check_seeds, models_of, with_fit, with_sources
from ecrnn.studies.shared_trials import check_shared
from ecrnn.studies.tasks import check_bad_files, on_cpu, prepare
from ecrnn.studies.trials import contradiction, load, sizes_of_groups, split_of, trained_on_too, tuned_on
from ecrnn.studies.tuning import (
    check_same_search,
    check_search,
    check_tuned_data,
    going_on,
    next_points,
    with_points,
)
from ecrnn.training import checkpoints

ENGINES: dict[str, Callable[[int], Engine]] = {"here": lambda jobs: LocalEngine(), "processes": ProcessEngine}
NO_ENGINE = "none"
ENGINE_NAMES = (*ENGINES, NO_ENGINE, "ray", "slurm")  # the last: none, and then `ecrnn.studies.slurm`


def run_study(
    settings: StudySettings,
    out: Path,
    *,
    arrays: ImageSet | None = None,
    jobs: int = 1,
    engine: Place = None,
    trials_per_gpu: int | None = None,
    progress: Progress = silent,
) -> Outcome:
    """Train what is not finished yet of a study.

    Args:
        settings: as given; resolved here, or taken from the study in ``out``, which must be the same one.
        out: the study's folder; made if it does not exist.
        arrays: the images, where ``settings.data`` is `ARRAYS` in the study's folder, in which they are then kept.
        jobs: trials side by side; they share the threads of this machine, and have its GPUs in turn.
        engine: where trials run: "here", in this process, one after another; "processes", each in a process of its own;
            "none": nowhere, the study is written for workers, see `ecrnn.studies.work.work`, which try again what has
            failed; "ray" or an `ecrnn.studies.engines.protocol.OnRay`; or an `Engine` as that module has it. None:
            "here" for one trial at a time, else "processes".
        trials_per_gpu: trials on each GPU at the most, and as many on all of them where ``jobs`` is 1.
        progress: called with everything that happens, see `ecrnn.core.events`.

    Returns:
        What was done. Trials that failed are in it; a report says what is missing.

    Raises:
        EcrnnError: wrong names, data or settings, before anything is trained.
        RunDirectoryError: ``out`` holds another study, or the disk refuses.
        Interrupted: by a signal; what is finished is kept and the same call goes on.
    """
    check_shares_gpu(settings.training.device, trials_per_gpu)
    engine = _chosen(engine, arrays, trials_per_gpu)
    if isinstance(engine, OnRay):
        return _by_workers_on_ray(settings, out, arrays, engine.address, trials_per_gpu, progress)
    if engine in (None, "processes"):
        jobs = jobs_on_gpus(jobs, trials_per_gpu)
    models = models_of(settings)
    settings, task = _canonical(settings, models), common_task(models)
    _check_folder(out)
    check_search(settings)
    settings = with_fit(settings, read_settings(out) if there(out / STUDY) else None, task)
    data = load(settings, progress) if arrays is None else arrays
    check_tuned_data(settings, data)
    repeats = range(settings.first_repeat, settings.first_repeat + settings.repeats)
    if settings.tuning is not None:
        repeats = range(1)  # all points have one split
    splits = [split_of(data, settings, repeat) for repeat in repeats]  # fails now rather than after hours
    processor = prepare(task, data, splits[0], settings)
    check(processor.sizes, *models)
    check_models(processor.sizes, *models, examples=on_cpu(data, splits[0], processor, settings.training))
    with locked(out) as lock:
        bring_home(out, lock, progress)
        elsewhere = engine == NO_ENGINE or isinstance(engine, CollectingEngine)
        settings = _open(settings, models, data, splits, out, jobs, elsewhere)
        if arrays is not None:
            keep_arrays(arrays, out)
        keys, first = _kept_keys(data, out), splits[0]
        for line in filter(None, _remarks(data, settings, keys, first)):
            progress(Message(line))
        outcome = Outcome()
        for trial in planned_trials(settings):
            check_inside(trial_folder(out, *trial) / "checkpoint", out)  # before anything is written or deleted there
            if _is_finished(out, settings, trial):
                outcome.found.append(trial)
                # what is left of a process that was killed before it had deleted them
                checkpoints.remove(trial_folder(out, *trial) / "checkpoint", *checkpoints.NAMES)
        if engine == NO_ENGINE:
            check_workers_know(model.family for model in models)
            _clear_for_workers(out, settings, outcome)
            return outcome
        begun = OpenStudy(out, settings, data, lock)
        trainings = 1 + settings.tuned.budget if settings.tuned and settings.nested else 1  # of a trial
        for turn, (study, waiting) in enumerate(_in_turns(begun, outcome, progress)):
            progress(Waiting(trainings * (len(outcome.trained) + len(outcome.failed) + len(waiting))))
            if turn == 0 and outcome.found:
                are = "is" if len(outcome.found) == 1 else "are"
                already = (
                    f"{len(outcome.found)} of {counted(len(planned_trials(settings)), 'trials')} {are} finished already"
                )
                progress(Message(already))
            if waiting:
                chosen = _engine(engine, min(jobs, len(waiting)))
                if not isinstance(chosen, LocalEngine):
                    check_workers_know(parse(model).family for model, _ in waiting)
                _run(chosen, study, waiting, outcome, progress)
        return outcome


def _chosen(engine: Place, arrays: ImageSet | None, trials_per_gpu: int | None) -> Place:
    """The engine that a name means, and a check that there is what it needs; `OnRay` for nodes that see the folder."""
    if trials_per_gpu is not None and not (engine in (None, "processes", "ray") or isinstance(engine, OnRay)):
        name = engine if isinstance(engine, str) else type(engine).__name__
        raise EcrnnError(f"trials per GPU are for the engines processes and ray, and for workers, not for '{name}'")
    if engine == "ray":
        engine = OnRay()
    if arrays is not None and isinstance(engine, OnRay) and engine.collect:
        line = "arrays are kept in the study's folder, which nodes do not see where trials are collected"
        raise EcrnnError(f"{line}; write them as a folder of images that is on every node")
    if isinstance(engine, OnRay):
        import_ray(engine.address)
        if engine.collect:
            engine = CollectingEngine(engine.address, trials_per_gpu)
    if isinstance(engine, str) and engine not in (*ENGINES, NO_ENGINE):
        raise unknown_name("engine", engine, ENGINE_NAMES)
    return engine


def _by_workers_on_ray(
    settings: StudySettings,
    out: Path,
    arrays: ImageSet | None,
    address: str | None,
    trials_per_gpu: int | None,
    progress: Progress,
) -> Outcome:
    check_shared(settings, out)
    outcome = run_study(settings, out, arrays=arrays, engine=NO_ENGINE, progress=progress)
    done = run_on_ray(out, address=address, trials_per_gpu=trials_per_gpu, progress=progress)
    outcome.trained += done.trained
    outcome.failed |= done.failed
    return outcome


def _clear_for_workers(out: Path, settings: StudySettings, outcome: Outcome) -> None:
    """Delete what would have workers leave trials alone that are not finished: failures, and manifests of damage."""
    for trial in planned_trials(settings):
        if trial not in outcome.found:
            for name in (MANIFEST, "error.json"):
                with disk_errors(out, "delete files in"):
                    (trial_folder(out, *trial) / name).unlink(missing_ok=True)


def _is_finished(out: Path, settings: StudySettings, trial: Trial) -> bool:
    """Whether a trial is finished and whole.

    Raises:
        RunDirectoryError: it is one of another study, which nothing may be trained beside.
    """
    home = trial_home(out, *trial)
    try:
        manifest = checked_manifest(home, out)
    except EcrnnError:  # a damaged trial is trained anew
        return False
    if manifest is None:
        return False
    try:
        check_of_study(out, settings, *trial, manifest)
    except EcrnnError as error:
        raise RunDirectoryError(f"{error}; delete {home}, and it is trained anew") from error
    return True


def _in_turns(study: OpenStudy, outcome: Outcome, progress: Progress) -> Iterator[tuple[OpenStudy, list[Trial]]]:
    """What is to be trained, with which settings: all that is not finished, or from turn to turn what comes next."""
    if study.settings.tuning is not None:
        yield from next_points(study, outcome)
    elif study.settings.sequential is not None:
        yield from ((study, waiting) for waiting in next_trials(study, outcome, progress))
    else:
        yield study, [trial for trial in planned_trials(study.settings) if trial not in outcome.found]


def _engine(engine: Engine | str | None, jobs: int) -> Engine:
    """The engine that was asked for, for trials of which ``jobs`` run side by side."""
    engine = engine or ("here" if jobs == 1 else "processes")
    return ENGINES[engine](jobs) if isinstance(engine, str) else engine


def _run(engine: Engine, study: OpenStudy, waiting: list[Trial], outcome: Outcome, progress: Progress) -> None:
    """Have the engine run what waits, pass its events on and write down how the trials ended."""

    def failed(event: Failed) -> None:
        outcome.failed[event.model, event.repeat] = event.error
        progress(event)

    finished = set()
    try:
        engine.start(study, waiting)
        with closing(engine.events()) as events:
            for event in events:
                match event:
                    case Failed():
                        failed(event)
                        continue
                    case Finished(model, repeat):
                        finished.add((model, repeat))
                progress(event)
    finally:
        engine.stop()
    for trial in waiting:
        if trial not in finished and trial not in outcome.failed:
            failed(Failed(*trial, "the engine ended without it"))
    outcome.trained += [trial for trial in waiting if trial in finished]


def _kept_keys(data: ExampleSet, out: Path) -> Keys:
    """The keys of all examples, which the study keeps for bundles of its trials."""
    try:
        keys = read_study(out / STUDY_FILE, data.fingerprint)
    except EcrnnError:  # damaged, or of other examples; these are at hand
        keys = None
    if keys is None or keys.total != len(data):
        keys = data.keys()
        write_atomically(out / STUDY_FILE, study_bytes(keys, data.fingerprint))
    return keys


def _remarks(data: ExampleSet, settings: StudySettings, keys: Keys, first: Split) -> Iterator[str]:
    """What must be said of the data, of which ``first`` is the first split; "" where a thing is as it should be."""
    yield sizes_of_groups(data, settings, first)
    yield contradiction(data, keys)
    if both := TrainedOn.of(keys, first.train, first.validation).overlap(keys, first.validation):
        examples = f"{common_task(models_of(settings)).examples} of the first repeat"
        yield trained_on_too(data.name, both, first, examples)
    yield _tuned_on_too(data, settings, keys, first)


def _tuned_on_too(data: ExampleSet, settings: StudySettings, keys: Keys, split: Split) -> str:
    """That some of the validation examples are the same as ones that recipes were tuned on, in a sentence; or ""."""
    tuned = settings.tuned
    if tuned is None or tuned.part is None:
        return ""
    count = TrainedOn.of(keys, tuned_on(data, settings), split.validation).overlap(keys, split.validation)
    if not count:
        return ""
    are = "is" if count == 1 else "are"
    what = f"{count:,} of {len(split.validation):,} validation examples of the first repeat {are} the same to a model"
    return f"{data.name}: {what} as one that recipes were tuned on; the figures are too good by that"


def _canonical(settings: StudySettings, models: Sequence[ModelName]) -> StudySettings:
    """The settings with model names as the grammar writes them, each once, and everything checked that can be."""
    split = parse_split(settings.split)
    return settings.model_copy(update={"models": tuple(map(str, models)), "split": str(split)})


def _check_folder(out: Path) -> None:
    """Look before anything is written, the lock too."""
    if not is_file(out / STUDY):
        check_free(out, "a study", "study", "--out")


def _open(
    settings: StudySettings,
    models: Sequence[ModelName],
    data: ExampleSet,
    splits: Sequence[Split],
    out: Path,
    jobs: int,
    elsewhere: bool,
) -> StudySettings:
    """Begin a study in ``out``, or go on with the one that lies there; gives resolved settings."""
    before = read_settings(out) if there(out / STUDY) else None
    if before is None:
        _check_folder(out)  # again, now that nobody else works in it
    task = common_task(models)
    settings = with_sources(settings, models, before)
    check_plan(settings, before, out)
    check_sequential(settings, before, out)
    if before:
        check_same_search(settings, before, out)
        search = settings.tuning
        check_bad_files(data, before.bad_files)
        settings = as_begun(settings, before, task)
        check_seeds(settings)
        if search is not None and settings.tuning is not None:
            search = going_on(search, settings.tuning)
            settings = settings.model_copy(update={"tuning": search, "repeats": search.budget})
    else:  # written down before the first training
        settings = settings.model_copy(update={"planned_repeats": settings.planned_repeats or settings.repeats})
        if task.classes:  # which have other metrics, too
            settings = settings.model_copy(update={"metric": settings.metric or task.metric})
        settings = with_sequential_plan(settings, splits)
    settings = with_points(settings, models)
    resolved = settings.model_copy(
        update={
            "fingerprint": data.fingerprint,
            "bad_files": tuple(sorted(data.bad_files)),
            "training": resolve(settings.training, jobs, elsewhere=elsewhere),
        },
    )
    if before:
        check_same_kind_of_data(before, resolved, out, "--out")
        resolved = grown(before, resolved, out, examples=task.examples)
    if resolved != before:
        write_settings(out, resolved)
    if resolved != before or not is_file(out / "environment.json"):  # killed between the two files
        write_json(out / "environment.json", seal(environment()))
    return resolved


def finished(out: Path, settings: StudySettings) -> bool:
    """Whether every trial of the study in ``out`` is finished."""
    return all(read_manifest(trial_home(out, *trial)) is not None for trial in planned_trials(settings))


def default_out(settings: StudySettings) -> Path:
    """Where a study goes that was not told where: `runs/compare-<data>`, a tuning `runs/tune-<data>`."""
    name = nfc(data_name(settings))
    if not name.isprintable():
        raise EcrnnError("choose a folder for the study with --out")
    return Path("runs") / f"{'tune' if settings.tuning else 'compare'}-{name}"
