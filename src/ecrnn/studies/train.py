"""One model, trained to be kept: from a data set to a bundle."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

from ecrnn.core.config import TrainSettings, merge, read_yaml, to_yaml
from ecrnn.core.devices import resolve
from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.core.events import Message, Progress, silent
from ecrnn.core.files import path_of, write_atomically
from ecrnn.core.reading import check_inside, there
from ecrnn.core.runs import TRAINING, locked
from ecrnn.core.seals import seal_text
from ecrnn.core.seeds import trial_seed
from ecrnn.core.torchrun import place
from ecrnn.data.example_set import ExampleSet
from ecrnn.data.image_set import ImageSet
from ecrnn.data.splits import Split, parse_split
from ecrnn.models.build import check_network, make
from ecrnn.models.names import ModelName, parse
from ecrnn.models.own_check import check_models
from ecrnn.models.processor import Processor
from ecrnn.models.spec import check
from ecrnn.models.summary import summarise
from ecrnn.serving.bundle import is_bundle
from ecrnn.serving.its_training import read_training
from ecrnn.serving.trained_on import TrainedOn
from ecrnn.studies.bundling import check_free
from ecrnn.studies.fine_tuning import (
    frozen,
    keep,
    named_absolutely,
    place_of,
    read_start,
    start_from,
    trained_anew,
    with_examples,
)
from ecrnn.studies.following import Begin, follow, leading
from ecrnn.studies.going_on import (
    check_goes_on,
    check_same_training,
    clear,
    is_finished,
    leftovers,
    lengthened,
    message,
    put_best_back,
)
from ecrnn.studies.kept_bundle import KeptBundle
from ecrnn.studies.places import check_same_kind_of_data
from ecrnn.studies.settings import as_begun, with_fit, with_sources
from ecrnn.studies.tasks import check_bad_files, objective, on_cpu, prepare
from ecrnn.studies.trials import contradiction, identity_of, load, of_model, sizes_of_groups, split_of, trained_on_too
from ecrnn.training.auto_batch_size import choose
from ecrnn.training.event_files import to_tensorboard
from ecrnn.training.interruption import Interrupted
from ecrnn.training.loop import fit
from ecrnn.training.torchrun_ranks import joined

_LEFTOVERS = frozenset({"checkpoint", "checkpoint/.lock"})  # of a training killed before its settings were written


def train_bundle(
    settings: TrainSettings,
    out: Path,
    *,
    arrays: ImageSet | None = None,
    resume: bool = False,
    tensorboard: str | Path | None = None,
    progress: Progress = silent,
) -> bool:
    """Train one model and leave a bundle in ``out``; where torchrun has started several processes, with all of them.

    Args:
        settings: as given; the resolved ones are saved as `train.yaml`.
        out: the bundle's folder, new or empty, or with ``resume`` one that holds this training, unfinished or with
            fewer epochs. The best model so far is a bundle in it at any time, which `ecrnn.load` takes.
        arrays: the images, where they are not what ``settings.data`` names; a bundle does not keep them.
        resume: go on with the training, unfinished or with more epochs; where there is none, begin.
        tensorboard: folder for TensorBoard's event files, see `ecrnn.training.event_files`.
        progress: called with what happens: loading, steps, epochs, and messages about the data, such as examples that
            are both trained on and validated on.

    Returns:
        True if it was trained now, False if the bundle was finished already.

    Raises:
        EcrnnError: wrong names, data or settings, before anything is trained.
        RunDirectoryError: ``out`` holds something else.
        Interrupted: by a signal; ``resume`` goes on.
    """
    model = parse(settings.model)
    check_network(model)
    with joined(settings.training.device) as ranks:
        if ranks is not None and ranks.rank:
            return follow(ranks, model, arrays)
        if ranks is None:
            return _train_bundle(model, settings, out, arrays, resume, tensorboard, progress)
        with leading(ranks) as begin:
            trained = _train_bundle(model, settings, out, arrays, resume, tensorboard, progress, begin)
        ranks.send({"trained": trained})
        return trained


def _train_bundle(
    model: ModelName,
    settings: TrainSettings,
    out: Path,
    arrays: ImageSet | None,
    resume: bool,
    tensorboard: str | Path | None,
    progress: Progress,
    begin: Begin | None = None,
) -> bool:
    """As `train_bundle`, in one process or as the first of several."""
    asked = settings.model_copy(update={"model": str(model), "split": str(parse_split(settings.split))})
    _check_folder(out, resume)
    before = _settings_before(out)
    asked = with_fit(asked, before, model.task)
    data = load(asked, progress) if arrays is None else arrays
    if asked.training.batch_size == "auto" and before is None:
        asked = _with_batch_size(asked, model, data, progress)
    settings = _resolved(asked, model, data, out)
    if is_finished(out, settings) and not leftovers(out):
        return False
    split = split_of(data, settings, repeat=0)
    processor = prepare(model.task, data, split, settings)
    check(processor.sizes, model)
    check_models(processor.sizes, model, examples=on_cpu(data, split, processor, settings.training))
    with locked(out, keep=False):
        _check_folder(out, resume)  # again, now that nobody else works in it: another may have begun, or finished
        settings = _resolved(asked, model, data, out)
        finished = is_finished(out, settings)
        if not finished:
            if line := message(_settings_before(out), settings):
                progress(Message(f"{out}: {line}"))
            check_goes_on(out)
            write_atomically(out / TRAINING, seal_text(to_yaml(settings)))
            put_best_back(out)
            try:
                logs = None if tensorboard is None else path_of(tensorboard, "tensorboard")
                with to_tensorboard(logs, progress) if logs else nullcontext(progress) as passed:
                    _train(model, data, split, processor, settings, out, passed, begin)
            except Interrupted as stop:
                raise Interrupted(stop.signal, "--resume goes on with it") from stop
        clear(out)
    return not finished


def _with_batch_size(asked: TrainSettings, model: ModelName, data: ExampleSet, progress: Progress) -> TrainSettings:
    """The settings with the batch size that is chosen for these examples, this network and this machine."""
    usual = merge(model.task.defaults, {"training": model.row.recipe})["training"].get("batch_size", 128)
    measured = resolve(asked.training.model_copy(update={"batch_size": usual}))
    split = split_of(data, asked, repeat=0)
    processor = prepare(model.task, data, split, asked)
    check(processor.sizes, model)
    check_models(processor.sizes, model, examples=on_cpu(data, split, processor, measured))
    found = choose(make(model, processor.sizes), objective(data, split, processor, measured, 0), usual)
    progress(Message(f"{asked.model}: {found.line(model.task.examples)}"))
    training = asked.training.model_copy(update={"batch_size": found.batch_size})
    return asked.model_copy(update={"training": training})


def _resolved(asked: TrainSettings, model: ModelName, data: ExampleSet, out: Path) -> TrainSettings:
    """The settings with everything decided, as the training that lies in ``out`` has it, if any.

    Raises:
        RunDirectoryError: that is another training.
    """
    before = _settings_before(out)
    asked = with_sources(asked, (model,), before)
    if before:
        check_bad_files(data, before.bad_files)
        asked = as_begun(asked, before, model.task)
    update = {
        "fingerprint": data.fingerprint,
        "bad_files": tuple(sorted(data.bad_files)),
        "training": resolve(asked.training, place().local_world),
        "processes": place().world,
        "start": None if asked.start is None else named_absolutely(asked.start, before.start if before else None),
        "start_digest": None if asked.start is None else read_start(place_of(asked.start, out)).digest,
    }
    settings = asked.model_copy(update=update)
    if before:
        if before.processes != settings.processes:
            begun = before.processes
            how = f"torchrun --nproc-per-node {begun}" if begun > 1 else "without torchrun"
            line = f"{out} holds a training by {begun} process{'es' * (begun > 1)}, on whose number its bits depend"
            raise RunDirectoryError(f"{line}; go on with it {how}, or choose another -o")
        check_same_kind_of_data(before, settings, out, "-o")
        settings = lengthened(before, settings)
        check_same_training(before, settings, out, model.task)
    return settings


def _settings_before(out: Path) -> TrainSettings | None:
    """The settings of the training that lies in ``out``; None where there is none.

    A damaged file is passed over while a training is under way: its checkpoints say themselves which training they are
    of, and the file is written anew.
    """
    path = out / TRAINING
    if not there(path):
        return None
    if is_bundle(out):
        return read_training(out)
    try:
        return TrainSettings.read(read_yaml(path, out, sealed=True), str(path))
    except EcrnnError:
        return None


def _check_folder(out: Path, resume: bool) -> None:
    begun = there(out / TRAINING)
    if begun and not resume and not is_bundle(out):
        raise RunDirectoryError(f"{out} holds an unfinished training; add --resume to go on, or choose another -o")
    check_inside(out / "checkpoint", out)
    if not (begun and resume):
        check_free(out, besides=_LEFTOVERS)


def _train(
    model: ModelName,
    data: ExampleSet,
    split: Split,
    processor: Processor,
    settings: TrainSettings,
    out: Path,
    progress: Progress,
    begin: Begin | None,
) -> None:
    keys = data.keys()
    trained_on = TrainedOn.of(keys, split.train, split.validation)
    if line := sizes_of_groups(data, settings, split):
        progress(Message(line))
    if line := contradiction(data, keys):
        progress(Message(line))
    seed = trial_seed(settings.seed, 0)
    network = make(model, processor.sizes, seed)
    identity = {**identity_of(data, settings.split, split, processor), **of_model(model)}
    if begin is not None and settings.freeze is not None:
        raise EcrnnError("--freeze trains in one process, not in several of torchrun; leave one of them out")
    ranks = None if begin is None else begin(settings, identity)
    if ranks is not None:
        identity["processes"] = str(ranks.world)
    taken = None
    if settings.start is not None:
        start = read_start(place_of(settings.start, out), settings.start_digest)
        if line := trained_anew(settings.start, start):
            progress(Message(line))
        keep(start, out)
        taken = start_from(start, network, model, processor)
        trained_on = with_examples(trained_on, start)
        identity["start"] = start.digest
        if settings.freeze is not None:
            taken = frozen(taken, network, settings.freeze)
            identity["freeze"] = settings.freeze
        progress(Message(taken.line()))
    seen = trained_on.seen(keys, split.validation)
    if len(seen):
        progress(Message(trained_on_too(data.name, len(seen), split, processor.task.examples)))
    summary = summarise(network, processor.sizes, model)
    bundle = KeptBundle(out, settings, model, processor, network, summary, data, split, trained_on, seen, taken)
    trained = fit(
        network,
        objective(data, split, processor, settings.training, seed),
        settings.training,
        seed=seed,
        folder=out,
        identity=identity,
        keep=settings.keep,
        window=settings.keep_window if settings.keep == "best" else 1,
        longer=True,
        kept=bundle.write_so_far,
        label=settings.model,
        ranks=ranks,
        progress=progress,
    )
    bundle.write(trained)
