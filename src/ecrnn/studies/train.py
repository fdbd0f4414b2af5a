"""One model, trained to be kept: from a data set to a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from ecrnn.core.config import TrainSettings, read_yaml, to_yaml
from ecrnn.core.devices import resolve
from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.core.events import Message, Progress, silent
from ecrnn.core.files import disk_errors, write_atomically
from ecrnn.core.predictions import AnyPredictions
from ecrnn.core.reading import check_inside, there
from ecrnn.core.runs import locked
from ecrnn.core.seals import seal_text
from ecrnn.core.seeds import trial_seed
from ecrnn.data import catalogue
from ecrnn.data.example_set import ExampleSet
from ecrnn.data.image_set import ImageSet
from ecrnn.data.splits import Split, parse_split
from ecrnn.models.build import check_network, make
from ecrnn.models.names import ModelName, parse
from ecrnn.models.own_check import check_models
from ecrnn.models.processor import Processor
from ecrnn.models.spec import check
from ecrnn.models.summary import summarise
from ecrnn.serving.best_so_far import begin, end
from ecrnn.serving.bundle import DESCRIPTION, describe, is_bundle, write_bundle
from ecrnn.serving.card import model_card
from ecrnn.serving.load import in_use
from ecrnn.serving.trained_on import TrainedOn
from ecrnn.studies.bundling import check_free, measured, on_test_part
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
from ecrnn.studies.places import check_same_kind_of_data
from ecrnn.studies.settings import as_begun, with_fit, with_sources
from ecrnn.studies.tasks import check_bad_files, objective, prepare
from ecrnn.studies.trials import contradiction, identity_of, load, sizes_of_groups, split_of, trained_on_too
from ecrnn.training.interruption import Interrupted
from ecrnn.training.loop import fit

SETTINGS = "train.yaml"
_LEFTOVERS = frozenset({"checkpoint", "checkpoint/.lock"})  # of a training killed before its settings were written


def train_bundle(
    settings: TrainSettings,
    out: Path,
    *,
    arrays: ImageSet | None = None,
    resume: bool = False,
    progress: Progress = silent,
) -> bool:
    """Train one model and leave a bundle in ``out``.

    Args:
        settings: as given; the resolved ones are saved as `train.yaml`.
        out: the bundle's folder, new or empty, or with ``resume`` one that holds this training, unfinished or with
            fewer epochs. The best model so far is a bundle in it at any time, which `ecrnn.load` takes.
        arrays: the images, where they are not what ``settings.data`` names; a bundle does not keep them.
        resume: go on with the training, unfinished or with more epochs; where there is none, begin.
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
    asked = settings.model_copy(update={"model": str(model), "split": str(parse_split(settings.split))})
    _check_folder(out, resume)
    asked = with_fit(asked, _settings_before(out), model.task)
    data = load(asked, progress) if arrays is None else arrays
    settings = _resolved(asked, model, data, out)
    if is_finished(out, settings) and not leftovers(out):
        return False
    split = split_of(data, settings, repeat=0)
    processor = prepare(model.task, data, split, settings)
    check(processor.sizes, model)
    check_models(processor.sizes, model)
    with locked(out, keep=False):
        _check_folder(out, resume)  # again, now that nobody else works in it: another may have begun, or finished
        settings = _resolved(asked, model, data, out)
        finished = is_finished(out, settings)
        if not finished:
            if line := message(_settings_before(out), settings):
                progress(Message(f"{out}: {line}"))
            check_goes_on(out)
            write_atomically(out / SETTINGS, seal_text(to_yaml(settings)))
            put_best_back(out)
            try:
                _train(model, data, split, processor, settings, out, progress)
            except Interrupted as stop:
                raise Interrupted(stop.signal, "--resume goes on with it") from stop
        clear(out)
    return not finished


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
        "training": resolve(asked.training),
    }
    settings = asked.model_copy(update=update)
    if before:
        check_same_kind_of_data(before, settings, out, "-o")
        settings = lengthened(before, settings)
        check_same_training(before, settings, out, model.task)
    return settings


def _settings_before(out: Path) -> TrainSettings | None:
    """The settings of the training that lies in ``out``; None where there is none.

    A damaged file is passed over while a training is under way: its checkpoints say themselves which training they are
    of, and the file is written anew.
    """
    path = out / SETTINGS
    if not there(path):
        return None
    try:
        return TrainSettings.read(read_yaml(path, out, sealed=True), str(path))
    except EcrnnError:
        if is_bundle(out):
            raise
        return None


def _check_folder(out: Path, resume: bool) -> None:
    begun = there(out / SETTINGS)
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
) -> None:
    keys = data.keys()
    trained_on = TrainedOn.of(keys, split.train, split.validation)
    if line := sizes_of_groups(data, settings, split):
        progress(Message(line))
    if line := contradiction(data, keys):
        progress(Message(line))
    both = trained_on.overlap(keys, split.validation)
    if both:
        progress(Message(trained_on_too(data.name, both, split, processor.task.examples)))
    seed = trial_seed(settings.seed, 0)
    network = make(model, processor.sizes, seed)
    task = objective(data, split, processor, settings.training, seed)
    identity = {**identity_of(data, settings.split, split, processor), "model": settings.model}
    summary = summarise(network, processor.sizes, model)

    def metrics_of(
        history: list[dict[str, Any]],
        last: AnyPredictions | None,
        best: tuple[int, AnyPredictions | None],
        ended: bool = True,
    ) -> dict[str, Any]:
        assert last is not None  # every rule of splitting leaves examples to validate
        found = measured(
            settings,
            processor.task,
            last,
            history,
            n_train=len(split.train),
            parameters=summary.parameters,
            multiply_adds=summary.multiply_adds,
            best=best if settings.keep == "best" else None,
            ended=ended,
        )
        if settings.continued:
            found["continued"] = list(settings.continued)
        if both:
            found["validation_trained_on"] = both
        if data.left_out:
            found["files_left_out"] = dict(data.left_out)
        return found

    def write(folder: Path, metrics: dict[str, Any]) -> None:
        card = model_card(model, processor, metrics, out.name)
        write_bundle(folder, network, model, processor, metrics, card, trained_on)

    def kept(_: nn.Module, history: list[dict[str, Any]], found: AnyPredictions | None) -> None:
        write(begin(out), metrics_of(history, found, (len(history), found), ended=False))
        end(out, len(history))

    trained = fit(
        network,
        task,
        settings.training,
        seed=seed,
        folder=out,
        identity=identity,
        keep=settings.keep,
        window=settings.keep_window if settings.keep == "best" else 1,
        longer=True,
        kept=kept,
        label=settings.model,
        progress=progress,
    )
    metrics = metrics_of(trained.history, trained.last_predictions, (trained.best_epoch, trained.predictions))
    if split.validation[-1] < data.n_train < len(data) and catalogue.task_of(settings.data) is None:
        predictor = in_use(describe(model, processor), processor, network, metrics, settings.training.device)
        predictor.trained_on = trained_on
        metrics["test"] = on_test_part(predictor, data)
    if is_bundle(out):  # of fewer epochs: until the new one is whole, the folder is read as that of the best so far
        write(begin(out), metrics)
        end(out, len(trained.history))
        with disk_errors(out / DESCRIPTION, "delete"):
            (out / DESCRIPTION).unlink()
    write(out, metrics)
