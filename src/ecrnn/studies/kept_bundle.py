"""The bundle of a training that is to be kept: at its end, and the best so far while it goes on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from ecrnn.core.config import TrainSettings
from ecrnn.core.files import disk_errors
from ecrnn.core.predictions import AnyPredictions
from ecrnn.data import catalogue
from ecrnn.data.example_set import ExampleSet
from ecrnn.data.splits import Split
from ecrnn.models.names import ModelName
from ecrnn.models.processor import Processor
from ecrnn.models.summary import Summary
from ecrnn.serving.best_so_far import begin, end
from ecrnn.serving.bundle import DESCRIPTION, describe, is_bundle, write_bundle
from ecrnn.serving.card import model_card
from ecrnn.serving.load import in_use
from ecrnn.serving.trained_on import TrainedOn
from ecrnn.studies.bundle_metrics import measured
from ecrnn.studies.bundling import on_test_part
from ecrnn.studies.fine_tuning import Taken
from ecrnn.training.trainer import Trained

Best = tuple[int, AnyPredictions | None]  # epoch, from 1, and its predictions


@dataclass(frozen=True)
class KeptBundle:
    """All that a bundle says of its training, but for what the training finds.

    Attributes:
        out: its folder.
        settings: resolved.
        model, processor, network: of it; the network is trained in place.
        summary: of the network.
        data, split: that it is trained on.
        trained_on: these examples, with those of a bundle from which it started.
        seen: (n,) int64, places in the data of examples that it, or the bundle it started from, is trained on, and
            that it is validated on.
        taken: what it has from a bundle.
    """

    out: Path
    settings: TrainSettings
    model: ModelName
    processor: Processor
    network: nn.Module
    summary: Summary
    data: ExampleSet
    split: Split
    trained_on: TrainedOn
    seen: np.ndarray
    taken: Taken | None

    def write_so_far(self, _: nn.Module, history: list[dict[str, Any]], found: AnyPredictions | None) -> None:
        """Write the bundle of the network as it is, beside what the training needs to go on."""
        self._write(begin(self.out), self._metrics(history, found, (len(history), found), ended=False))
        end(self.out, len(history))

    def write(self, trained: Trained) -> None:
        """Write the bundle of a training that has ended."""
        best = (trained.best_epoch, trained.predictions)
        metrics = self._metrics(trained.history, trained.last_predictions, best, ended=True)
        own_test_part = self.split.validation[-1] < self.data.n_train < len(self.data)
        if own_test_part and catalogue.task_of(self.settings.data) is None:
            about, device = describe(self.model, self.processor), self.settings.training.device
            predictor = in_use(about, self.processor, self.network, metrics, device)
            predictor.trained_on = self.trained_on
            metrics["test"] = on_test_part(predictor, self.data)
        if is_bundle(self.out):  # of fewer epochs: until this one is whole, the folder is read as the best so far
            self._write(begin(self.out), metrics)
            end(self.out, len(trained.history))
            with disk_errors(self.out / DESCRIPTION, "delete"):
                (self.out / DESCRIPTION).unlink()
        self._write(self.out, metrics)

    def _metrics(
        self, history: list[dict[str, Any]], last: AnyPredictions | None, best: Best, *, ended: bool
    ) -> dict[str, Any]:
        assert last is not None  # every rule of splitting leaves examples to validate
        found = measured(
            self.settings,
            self.processor.task,
            last,
            history,
            n_train=len(self.split.train),
            parameters=self.summary.parameters,
            multiply_adds=self.summary.multiply_adds,
            best=best if self.settings.keep == "best" else None,
            ended=ended,
            seen=self.seen,
        )
        more = {
            "continued": list(self.settings.continued),
            "start": self.taken and self.taken.to_plain(),
            "validation_trained_on": len(self.seen),
            "files_left_out": dict(self.data.left_out),
        }
        return {**found, **{key: value for key, value in more.items() if value}}

    def _write(self, folder: Path, metrics: dict[str, Any]) -> None:
        card = model_card(self.model, self.processor, metrics, self.out.name)
        write_bundle(folder, self.network, self.model, self.processor, metrics, card, self.trained_on)
