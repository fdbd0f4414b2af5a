"""Which networks are looked at, on which images; what is measured is tested in tests/explain."""

from pathlib import Path

import numpy as np
import pytest
import torch
from studies.small import Study

from ecrnn.core.errors import BundleError, RunDirectoryError
from ecrnn.core.manifests import read_manifest, write_manifest
from ecrnn.core.runs import read_trial, trial_folder
from ecrnn.data.image_set import from_arrays
from ecrnn.data.preprocessing import Preprocessing
from ecrnn.explain.effective_memory import network_memory
from ecrnn.layers.areas import RecurrentArea
from ecrnn.layers.initialisation import initialise
from ecrnn.models.build import build
from ecrnn.models.weights import load_weights
from ecrnn.studies import effective_memory
from ecrnn.studies.effective_memory import UNTRAINED, trained_memories, untrained, untrained_memories
from ecrnn.studies.trials import load

MODELS = ("cnn", "crnn-bigru-2", "ecrnn-rnn-3")


@pytest.fixture(scope="module")
def trained(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("trained") / "study"
    study.run(place, models=MODELS, training={"epochs": 1})
    return place


def test_every_finished_trial_with_an_rnn(trained: Path, study: Study) -> None:
    found = list(trained_memories(trained))
    assert [(m.model, m.repeat) for m in found] == [
        ("crnn-bigru-2", 0),
        ("ecrnn-rnn-3", 0),
        ("crnn-bigru-2", 1),
        ("ecrnn-rnn-3", 1),
    ]
    assert {m.samples for m in found} == {10}
    assert {m.steps for m in found} == {256}
    trial = read_trial(trained, "ecrnn-rnn-3", 1)
    assert trial is not None
    preprocessing = Preprocessing.from_dict(trial.facts["preprocessing"])
    network = build("ecrnn-rnn-3", (3, 8, 8), 4, seed=9)
    load_weights(network, trial_folder(trained, "ecrnn-rnn-3", 1) / "checkpoint" / "weights.safetensors")
    images = load(study.settings())
    images = torch.from_numpy(preprocessing.apply(images.images[trial.predictions.index]))
    on_its_own = network_memory(network, images, model="ecrnn-rnn-3", repeat=1)
    assert on_its_own.directions[0].largest_gradient == pytest.approx(found[3].directions[0].largest_gradient, rel=1e-3)


def test_fewer_images(trained: Path) -> None:
    assert {m.samples for m in trained_memories(trained, samples=4)} == {4}


def test_an_unfinished_trial_is_left_out(study: Study, tmp_path: Path) -> None:
    study.run(tmp_path, models=("crnn-gru-2",), repeats=2, training={"epochs": 1})
    (trial_folder(tmp_path, "crnn-gru-2", 0) / "manifest.json").unlink()
    assert [(m.model, m.repeat) for m in trained_memories(tmp_path)] == [("crnn-gru-2", 1)]
    folder = trial_folder(tmp_path, "crnn-gru-2", 1)
    facts = read_manifest(folder)
    assert facts is not None
    (folder / "checkpoint" / "weights.safetensors").unlink()  # as in an archive
    write_manifest(folder, ("predictions.npz",), facts)
    with pytest.raises(BundleError, match=r"^cannot read .*weights\.safetensors: No such file"):
        list(trained_memories(tmp_path))


def test_what_is_no_study(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match=r"is not a run directory: it has no study.yaml; give the --out"):
        list(trained_memories(tmp_path))


def test_the_data_may_have_moved(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = []
    monkeypatch.setattr(
        effective_memory,
        "load",
        lambda settings: given.append(settings.data_dir) or from_arrays(np.zeros((1, 8, 8)), [0]),
    )
    monkeypatch.setattr(effective_memory, "_trial_memory", lambda *_: ())
    assert list(trained_memories(trained, Path("/elsewhere"))) == []
    assert given == ["/elsewhere"]


def test_untrained_layers() -> None:
    found = list(untrained_memories(seeds=2, steps=20, hidden_size=3, sequences=5))
    assert len(found) == 2 * len(UNTRAINED)
    assert found[0].model == "LSTM 3, torch's initialisation, forget bias 0"
    assert found[-1].model == "RNN 3, Keras's initialisation"
    assert [m.repeat for m in found[:4]] == [0, 1, 0, 1]
    assert {(m.steps, m.samples, m.changed) for m in found} == {(20, 5, None)}
    assert found[0].directions != found[1].directions


def test_torchs_initialisation_is_torchs() -> None:
    torch.manual_seed(3)
    RecurrentArea("lstm", 1, (4,), False)  # drawn first there too
    stock = torch.nn.LSTM(1, 4, batch_first=True)
    (ours,) = untrained("lstm", "torch", 0, 4, 3).layers
    assert set(dict(stock.named_parameters())) == set(dict(ours.named_parameters()))
    assert all(torch.equal(p, ours.get_parameter(name)) for name, p in stock.named_parameters())


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_kerass_initialisation_is_that_of_the_models(cell: str) -> None:
    expected = RecurrentArea(cell, 1, (4,), False)
    initialise(expected, 3)
    made = untrained(cell, "Keras", 1 if cell == "lstm" else None, 4, 3)
    assert all(torch.equal(p, made.get_parameter(name)) for name, p in expected.named_parameters())


@pytest.mark.parametrize("whose", ["torch", "Keras"])
def test_the_forget_bias_alone_differs(whose: str) -> None:
    before = torch.get_rng_state()
    zero, one = (untrained("lstm", whose, forget, 4, 3).layers[0] for forget in (0, 1))
    assert torch.equal(before, torch.get_rng_state())
    for name, weight in one.named_parameters():
        wanted = zero.get_parameter(name).clone()
        if name == "bias_ih_l0":
            wanted[4:8] += 1
        torch.testing.assert_close(weight, wanted)
    if whose == "Keras":
        assert not zero.bias_ih_l0.any()
