"""Fine-tuning: a training that starts from the weights of a bundle, all that fit by name and shape.

What hangs on the classes or the tokens starts anew where these are others, also where there are as many. So does the
count of batches of the running statistics, which are then those of the new images from the first batch on. The examples
that the bundle knows stay known: they were trained on, and no evaluation takes them for new ones.

What was taken may be frozen, all of it or up to a stage: it then has the bits of the bundle at the end, too.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ecrnn.core.config import TrainSettings, read_yaml
from ecrnn.core.errors import EcrnnError, nearest
from ecrnn.core.files import make_folder, write_atomically
from ecrnn.core.reading import MAX_WEIGHTS, read_bytes, sha256, there
from ecrnn.core.runs import TRAINING
from ecrnn.core.tasks import default
from ecrnn.core.text import counted
from ecrnn.layers.freezing import COUNT, freeze, parts
from ecrnn.models.build import make
from ecrnn.models.names import ModelName
from ecrnn.models.processor import Processor
from ecrnn.serving.best_so_far import CHECKPOINTS
from ecrnn.serving.bundle import DESCRIPTION, WEIGHTS, file_names, is_bundle, read_bundle, read_trained_on
from ecrnn.serving.pretrained import find
from ecrnn.serving.trained_on import TrainedOn
from ecrnn.studies.places import spelt_as_it_exists

COPY = "start"  # folder, beside the checkpoints
ALL = "all"  # freezes all that is taken
_MOST_NAMES = 100


@dataclass(frozen=True)
class Start:
    """A bundle from which trainings start.

    Attributes:
        name: as it was named.
        model: name of its model.
        digest: SHA-256 of its weights.
        processor: of its model.
        weights: by name.
        trained_on: its examples; None where it does not say.
    """

    name: str
    model: str
    digest: str
    processor: Processor
    weights: Mapping[str, Tensor]
    trained_on: TrainedOn | None


@dataclass(frozen=True)
class Taken:
    """What a network has from a `Start`.

    Attributes:
        start: the bundle.
        taken, anew: names of tensors.
        frozen: names of those taken that do not move.
        stages: names of the largest modules that were taken whole.
        frozen_stages: of those that are frozen.
    """

    start: Start
    taken: tuple[str, ...]
    anew: tuple[str, ...]
    frozen: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    frozen_stages: tuple[str, ...] = ()

    def to_plain(self) -> dict[str, object]:
        """What `metrics.json` holds."""
        plain = {"model": self.start.model, "sha256": self.start.digest, "taken": len(self.taken)}
        frozen = {"frozen": len(self.frozen), "frozen_stages": list(self.frozen_stages[:_MOST_NAMES])}
        return {**plain, "anew": list(self.anew[:_MOST_NAMES]), **(frozen if self.frozen else {})}

    def line(self) -> str:
        """What was taken and what of it is frozen, in words."""
        of = f"{len(self.taken)} of {counted(len(self.taken) + len(self.anew), 'tensors')} taken{_of(self.stages)}"
        anew = f"anew {'are' if len(self.anew) > 1 else 'is'} {_listed(self.anew)}" if self.anew else "none is anew"
        frozen = f", {len(self.frozen)} of these frozen{_of(self.frozen_stages)}" if self.frozen else ""
        return f"starts from {self.start.name} ({self.start.model}): {of}{frozen}, {anew}"


def _of(stages: Sequence[str]) -> str:
    return f" ({_listed(stages)})" if any(stages) else ""


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def read_start(name: str, digest: str | None = None) -> Start:
    """The bundle ``name``, a folder or the name of a pretrained one.

    Args:
        name: of it.
        digest: SHA-256 that its weights must have, if it is known.

    Raises:
        EcrnnError: it is no bundle, or another one.
    """
    folder = find(name)
    description, processor, network, _ = read_bundle(folder)
    found = hashlib.sha256(read_bytes(folder / WEIGHTS, MAX_WEIGHTS, folder)).hexdigest()
    if digest not in (None, found):
        raise EcrnnError(f"{name} is not the bundle from which this training was begun: its weights are others")
    return Start(name, description.model, found, processor, network.state_dict(), read_trained_on(folder))


def named_absolutely(name: str, before: str | None) -> str:
    """The bundle ``name`` as the settings of a training keep it: by the whole path, if it lies on the disk.

    A path from the working folder means another bundle in another folder, which may hold one that is called alike.
    ``before`` is what they kept already, which stays where the bundle is gone.
    """
    name = spelt_as_it_exists(name)
    return os.path.abspath(name) if os.path.lexists(name) else before or name


def place_of(name: str, out: Path | None) -> str:
    """Where the bundle ``name`` is read: itself, or the copy of it that the training in ``out`` keeps.

    The copy stands for a bundle that is gone, and for the one from which the training was begun, whatever lies in that
    folder by now.
    """
    name = spelt_as_it_exists(name)
    copy = None if out is None else out / CHECKPOINTS / COPY
    if out is None or copy is None or not is_bundle(copy):
        return name
    return str(copy) if not is_bundle(find(name)) or _begun_from(name, copy, out) else name


def _begun_from(name: str, copy: Path, out: Path) -> bool:
    """Whether the training in ``out`` was begun from the bundle ``name``, of which ``copy`` is."""
    try:
        begun = TrainSettings.read(read_yaml(out / TRAINING, out, sealed=True), str(out / TRAINING))
    except EcrnnError:
        return False  # a damaged one is written anew while the training is under way; else `train_bundle` refuses it
    if begun.start is None or find(spelt_as_it_exists(begun.start)).resolve() != find(name).resolve():
        return False
    return begun.start_digest == sha256(copy / WEIGHTS, MAX_WEIGHTS, copy)


def trained_anew(name: str, start: Start) -> str:
    """A sentence where ``start`` is the copy of a bundle, and ``name`` is another one by now; "" where it is not."""
    folder = find(spelt_as_it_exists(name))
    if not is_bundle(folder) or sha256(folder / WEIGHTS, MAX_WEIGHTS, folder) == start.digest:
        return ""
    return f"{name} is another bundle by now than the one that this training was begun from: {start.name}, its copy"


def keep(start: Start, out: Path) -> None:
    """Keep a copy of a bundle beside the checkpoints of the training in ``out``, which goes on without the bundle."""
    source, copy = find(start.name), make_folder(out / CHECKPOINTS / COPY)
    if source == copy:
        return
    for name in sorted(file_names(start.processor), key=lambda name: name == DESCRIPTION):  # which comes last
        if there(source / name):
            write_atomically(copy / name, read_bytes(source / name, MAX_WEIGHTS, source))


def form_of(name: str, out: Path | None = None) -> dict[str, object]:
    """Settings that a training from a bundle has where nothing is said: its model and the form of images.

    Args:
        name: of the bundle.
        out: folder of the training, which may have begun before.
    """
    description, processor, *_ = read_bundle(find(place_of(name, out)))
    found: dict[str, object] = {"model": description.model}
    if processor.preprocessing is not None and processor.task == default():
        channels, height, width = processor.preprocessing.image
        found |= {"channels": channels, **({"image_size": height} if height == width else {})}
    return found


def start_from(start: Start, network: nn.Module, model: ModelName, processor: Processor) -> Taken:
    """Give a network all weights of a bundle that fit.

    Args:
        start: the bundle.
        network: fresh; changed in place.
        model, processor: of the network.

    Raises:
        EcrnnError: the bundle is of another task, or nothing fits.
    """
    if start.processor.task != model.task:
        raise EcrnnError(f"{start.name} is for {start.processor.task.name}, and {model} is for {model.task.name}")
    fresh = network.state_dict()
    others = _of_other_names(start.processor, processor, model)
    fits = {
        name: tensor
        for name, tensor in start.weights.items()
        if name in fresh
        and (tensor.shape, tensor.dtype) == (fresh[name].shape, fresh[name].dtype)
        and name not in others
    }
    taken = {name: tensor for name, tensor in fits.items() if not name.endswith(COUNT)}
    if not taken:
        raise EcrnnError(f"nothing of {start.name} ({start.model}) fits {model}: no weights of one name and shape")
    network.load_state_dict(taken, strict=False)
    names = [name for name in fresh if not name.endswith(COUNT)]
    stages = tuple(name for name, _ in parts(network, taken))
    return Taken(
        start, tuple(filter(taken.__contains__, names)), tuple(n for n in names if n not in taken), stages=stages
    )


def frozen(taken: Taken, network: nn.Module, stage: str) -> Taken:
    """Freeze what a network has taken, see `ecrnn.layers.freezing`.

    Args:
        taken: from `start_from`.
        network: changed in place.
        stage: name of a module, up to whose end all is frozen, in the order of the network's weights; or `ALL`.

    Raises:
        EcrnnError: there is no such stage, some of it is anew, or nothing would be left to train.
    """
    names = [name for name in network.state_dict() if not name.endswith(COUNT)]
    chosen = taken.taken
    if stage != ALL:
        inside = [place for place, name in enumerate(names) if name.startswith(f"{stage}.")]
        if not inside:
            raise EcrnnError(f"--freeze {stage[:100]}: {_unknown_stage(stage, network)}")
        chosen = tuple(names[: inside[-1] + 1])
    if anew := [name for name in chosen if name in taken.anew]:
        line = f"--freeze {stage} would freeze what starts anew: {_listed(anew)}"
        raise EcrnnError(f"{line}; '{ALL}' freezes what was taken and nothing else")
    freeze(network, chosen)
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise EcrnnError(f"--freeze {stage} leaves nothing to train: all of {taken.start.name} was taken")
    counts = {f"{name.rpartition('.')[0]}.{COUNT}" for name in chosen} & network.state_dict().keys()
    network.load_state_dict({n: taken.start.weights[n] for n in counts if n in taken.start.weights}, strict=False)
    stages = tuple(name for name, _ in parts(network, chosen))
    return replace(taken, frozen=chosen, frozen_stages=stages)


def _unknown_stage(stage: str, network: nn.Module) -> str:
    """That there is none, and which there are: the modules with weights, and those of them with numbers."""
    known = [ALL]
    for name, child in network.named_children():
        inner = [
            f"{name}.{number}" for number, part in child.named_children() if number.isdigit() and any(_tensors(part))
        ]
        known += [*inner, name] if any(_tensors(child)) else []
    close = nearest(stage, known)
    return "the network has no such stage; " + (
        f"did you mean '{close}'?" if close else f"stages are {', '.join(known)}"
    )


def _tensors(module: nn.Module) -> Mapping[str, Tensor]:
    return module.state_dict()


def _of_other_names(before: Processor, now: Processor, model: ModelName) -> set[str]:
    """The tensors whose rows mean other classes or tokens than in the bundle."""
    sizes, found = now.sizes, set[str]()
    for field, same in (
        ("classes", before.classes == now.classes),
        ("tokens", _same_files(before, now)),
        ("source_tokens", _same_files(before, now)),
    ):
        size = getattr(sizes, field)
        if size is None or same:
            continue
        with torch.device("meta"):  # shapes without memory
            one, other = (make(model, replace(sizes, **{field: n})).state_dict() for n in (size, size + 1))
        found |= {name for name in one if one[name].shape != other[name].shape}
    return found


def _same_files(before: Processor, now: Processor) -> bool:
    return before.files() == now.files()


def with_examples(trained_on: TrainedOn, start: Start) -> TrainedOn:
    """The examples of a training together with those of the bundle that it started from."""
    if start.trained_on is None:
        return trained_on
    before = start.trained_on
    return TrainedOn(
        np.union1d(trained_on.train, before.train),
        np.union1d(trained_on.validation, before.validation),
        np.union1d(trained_on.looks, before.looks),
    )
