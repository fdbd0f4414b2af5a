"""The part of the other ranks in a training by several processes: rank 0 does all but the steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ecrnn.core.config import TrainSettings
from ecrnn.core.errors import EcrnnError, TrainingError
from ecrnn.core.seeds import trial_seed
from ecrnn.data.image_set import ImageSet
from ecrnn.models.build import make
from ecrnn.models.names import ModelName
from ecrnn.studies.tasks import objective, prepare
from ecrnn.studies.trials import identity_of, load, of_model, split_of
from ecrnn.training.loop import fit
from ecrnn.training.torchrun_ranks import Ranks

Begin = Callable[[TrainSettings, dict[str, str]], Ranks]


@contextmanager
def leading(ranks: Ranks) -> Iterator[Begin]:
    """The part of rank 0, which calls what this gives once it trains; until then the others wait for a line.

    That function takes the resolved settings, and what tells data, split, processor and model from others, which all
    ranks must find; it gives the ranks.
    """
    begun = False

    def begin(settings: TrainSettings, identity: dict[str, str]) -> Ranks:
        nonlocal begun
        begun = True
        ranks.send({"settings": settings.model_dump(mode="json"), "identity": identity})
        return ranks

    try:
        yield begin
    except EcrnnError:
        if not begun:
            ranks.send({})
        raise


def follow(ranks: Ranks, model: ModelName, arrays: ImageSet | None) -> bool:
    """Take part in the training that rank 0 has begun, if it begins one; gives what `train_bundle` gives there.

    Raises:
        EcrnnError: this process finds other data or code than rank 0, or the connection is lost.
        Interrupted: all ranks stop.
    """
    plain, _ = ranks.receive()
    if not plain:
        raise TrainingError(f"rank {ranks.rank} of {ranks.world}: rank 0 has begun nothing; its line says why")
    if "settings" in plain:
        try:
            _train(ranks, model, TrainSettings.read(plain["settings"], "settings"), plain["identity"], arrays)
        except EcrnnError as error:
            line = str(error)
            raise TrainingError(line if line.startswith("rank ") else f"rank {ranks.rank}: {line}") from error
        plain, _ = ranks.receive()
    return bool(plain["trained"])


def _train(
    ranks: Ranks, model: ModelName, settings: TrainSettings, identity: dict[str, str], arrays: ImageSet | None
) -> None:
    data = load(settings) if arrays is None else arrays
    split = split_of(data, settings, repeat=0)
    processor = prepare(model.task, data, split, settings)
    found = {**identity_of(data, settings.split, split, processor), **of_model(model)}
    if found != identity:
        others = ", ".join(key for key in identity if found.get(key) != identity[key])
        raise TrainingError(f"'{settings.data}' or the model's code is not what rank 0 has: other {others}")
    seed = trial_seed(settings.seed, 0)
    network = make(model, processor.sizes, seed)
    learnt = objective(data, split, processor, settings.training, seed)
    fit(network, learnt, settings.training, seed=seed, window=settings.keep_window, label=settings.model, ranks=ranks)
