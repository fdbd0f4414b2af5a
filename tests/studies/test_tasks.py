"""Every task from its data to a bundle, killed and gone on; what is fitted; what is refused before any training."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from core.lines import one_line
from PIL import Image
from studies.small import of_trainings
from tiny_tasks import MOTS, TINY, TRAINING, WORDS, sentences, write_lines

import ecrnn
from ecrnn.core.config import StudySettings, TrainSettings, read_yaml
from ecrnn.core.errors import DataError, EcrnnError, RunDirectoryError
from ecrnn.core.events import Event, Step
from ecrnn.core.tasks import TASKS
from ecrnn.data.splits import parse_split
from ecrnn.serving.evaluation import judge
from ecrnn.serving.load import load
from ecrnn.stats import BLEU
from ecrnn.studies.bundling import bundle_trial
from ecrnn.studies.settings import read_settings
from ecrnn.studies.study import run_study
from ecrnn.studies.tasks import load_examples, prepare
from ecrnn.studies.train import train_bundle
from ecrnn.tasks.language_modelling.predictor import LanguageModelPredictor


class Killed(BaseException):
    """Comes like SIGKILL: nothing more is written."""


def test_every_task_has_tiny_data() -> None:
    assert list(TASKS) == list(TINY)


@pytest.mark.sampled(most=3)
@pytest.mark.parametrize("task", TASKS)
def test_saved_settings_repeat_a_training_also_killed(task: str, tmp_path: Path) -> None:
    settings = TINY[task].read(tmp_path, epochs=2)
    assert train_bundle(settings, tmp_path / "whole")
    again = TrainSettings.read(read_yaml(tmp_path / "whole" / "train.yaml"))
    often = again.training.model_copy(update={"checkpoint_seconds": 1e-9})
    if task == "next-token":
        assert (often.schedule, often.clip_norm) == ("cosine", 1.0)  # the task's, also where they come from the file

    def kill(event: Event) -> None:
        if isinstance(event, Step) and event.step == 3:
            raise Killed

    mine = again.model_copy(update={"training": often})
    with pytest.raises(Killed):
        train_bundle(mine, tmp_path / "killed", progress=kill)
    with one_line(RunDirectoryError, "holds an unfinished training; add --resume to go on"):
        train_bundle(mine, tmp_path / "killed")
    steps: list[int] = []
    assert train_bundle(
        mine, tmp_path / "killed", resume=True, progress=of_trainings(lambda event: steps.append(event.step))
    )
    assert min(steps) > 1  # it went on
    for name in ("model.safetensors", "bundle.json"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert not train_bundle(mine, tmp_path / "killed", resume=True)  # finished already


def fitted(task: str, folder: Path, **changes: Any) -> tuple[Any, Any]:
    """Data of ``task``, and what is fitted on its first half."""
    settings = TINY[task].read(folder).model_copy(update=changes)
    data = load_examples(TASKS[task], settings)
    split = parse_split("0.5").split(data, 0, 0)
    return data, prepare(TASKS[task], data, split, settings), split


def test_nothing_is_learnt_of_validation_texts(tmp_path: Path) -> None:
    (tmp_path / "pairs.tsv").write_text("".join(f"word{i} all\tmot{i} tous\n" for i in range(20)))
    settings = read_settings(
        TrainSettings, {"data": str(tmp_path / "pairs.tsv"), "model": "translate", "tokens": "words"}
    )
    data = load_examples(TASKS["translation"], settings)
    split = parse_split("0.5").split(data, 0, 0)
    processor = prepare(TASKS["translation"], data, split, settings)
    assert len(processor.vocabulary) == len(processor.source_vocabulary) == 4 + 10 + 1
    known = set(processor.source_vocabulary.decode(range(4, 15)).split())
    assert known == {word for i in split.train for word in data.sources[i].split()}


def test_clips_are_standardised_by_all_frames_of_the_training_part(tmp_path: Path) -> None:
    data, processor, split = fitted("clip-classification", tmp_path)
    own = data.clips[split.train]
    assert processor.preprocessing.mean == pytest.approx((own.mean(),), rel=1e-5)
    assert processor.preprocessing.std == pytest.approx((own.std(),), rel=1e-5)
    assert (processor.frames, processor.classes) == (4, data.classes)


def test_lines_are_standardised_by_all_pixels_and_of_any_width(tmp_path: Path) -> None:
    data, processor, split = fitted("transcription", tmp_path)
    pixels = np.concatenate([data.images[i].ravel() for i in split.train])
    assert processor.preprocessing.mean == pytest.approx((pixels.mean(),), rel=1e-5)
    assert processor.preprocessing.image == (1, 16, 28)
    assert set(processor.vocabulary.decode(range(4, len(processor.vocabulary)))) == set(
        "".join(data.texts[i] for i in split.train)
    )


def test_every_caption_of_a_training_image_counts(tmp_path: Path) -> None:
    data, processor, split = fitted("captioning", tmp_path)
    words = {word for i in split.train for caption in data.captions[i] for word in caption.split()}
    assert {"the", "a"} <= words
    assert len(processor.vocabulary) == 4 + len(words)
    assert processor.length == 6


def test_texts_too_long_for_their_images_are_named(tmp_path: Path) -> None:
    folder = write_lines(tmp_path)
    for text in ("ab", "aaaa", "toolong1", "toolong2", "toolong3"):
        Image.fromarray(np.zeros((16, 16), np.uint8)).save(folder / f"{text}.png")
    settings = read_settings(TrainSettings, {"data": str(folder), "model": "ocr-gru-8", "height": 16})
    lines = [
        "texts too long for their images: aaaa.png (16 pixels give 4 steps, 'aaaa' needs 7); toolong1.png (16 pixels",
        "and 1 more; widen or remove them",
    ]
    with one_line(DataError, *lines):
        train_bundle(settings, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize(("package", "tokens"), [("sacrebleu", "words"), ("tokenizers", "subwords")])
def test_a_missing_package_is_missed_before_training(
    package: str, tokens: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    settings = TINY["translation"].read(tmp_path).model_copy(update={"tokens": tokens, "vocabulary": None})
    with one_line(EcrnnError, package, "pip install", "ecrnn[text]"):
        train_bundle(settings, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize(
    ("model", "of", "changes", "line"),
    [
        ("charlm-gru-8", "next-token", {"tokens": "words", "length": 16}, "tokens: input should be 'characters', not"),
        ("charlm-gru-8", "next-token", {"length": 5000}, "too few for blocks of 5000; give more text, or a smaller"),
        ("sentiment-gru-4", "next-token", {}, "book.txt"),
        ("caption-gru-8", "transcription", {}, "holds no captions.tsv; give a folder with images/ and captions.tsv"),
        ("ocr-gru-8", "next-token", {}, "is a file; give a folder of images named by their text"),
        ("frames-gru-4", "image-classification", {}, "holds no folders with the frames of a clip"),
        ("cnn", "next-token", {}, "is a file; give a folder with one sub-folder a class"),
        ("translate-gru-8", "next-token", {}, "book.txt"),
    ],
)
def test_data_of_another_task(model: str, of: str, changes: dict[str, Any], line: str, tmp_path: Path) -> None:
    asked = {"data": str(TINY[of].write(tmp_path)), "model": model, **changes}
    with one_line(EcrnnError, line):
        train_bundle(read_settings(TrainSettings, asked), tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_a_trial_is_judged_on_the_data_sets_own_test_part(tmp_path: Path) -> None:
    folder = tmp_path / "pairs"
    folder.mkdir()
    for language, words in (("en", WORDS), ("fr", MOTS)):
        (folder / f"train.{language}").write_text("\n".join(sentences(words, 24)))
        (folder / f"test.{language}").write_text("\n".join(f"{new} {words[0]}" for new in sentences(words, 5)))
    asked = {"data": str(folder), "models": ["translate-gru-8"], "repeats": 1, "tokens": "words", "training": TRAINING}
    run_study(read_settings(StudySettings, asked), tmp_path / "study")
    metrics = bundle_trial(tmp_path / "study", "translate-gru-8", tmp_path / "bundle")
    judged = judge(load(tmp_path / "bundle", "cpu"), str(folder))
    assert judged.note == "the data set's own test part"
    assert judged.index.tolist() == list(range(24, 29))
    assert metrics["test"]["n"] == 5
    assert metrics["test"]["bleu"] == BLEU.value(judged.judged.predictions.statistics)


def test_in_python_the_same(tmp_path: Path) -> None:
    data = TINY["next-token"].write(tmp_path)
    model = ecrnn.train(data, "charlm-gru-8", tmp_path / "bundle", length=16, **TRAINING)
    assert isinstance(model, LanguageModelPredictor)
    assert model.metrics["split"] == "0.9"
    assert len("".join(model.generate("red ", 5, seed=0))) == 5
    with one_line(EcrnnError, "cnn is for image-classification and charlm for next-token: only models of one task"):
        ecrnn.compare(data, ["cnn", "charlm"], out=tmp_path / "study")
    with one_line(EcrnnError, "unknown configuration key 'training.lenght'"):
        ecrnn.train(data, "charlm-gru-8", tmp_path / "other", lenght=16)
    assert not (tmp_path / "study").exists()


def one_more(task: str, data: Path) -> None:
    """Add an example to the tiny data of ``task``, at the beginning where that moves the others."""
    draw = np.random.default_rng(9)
    if task == "image-classification":
        Image.fromarray(draw.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(data / "dark" / "0-new.png")
    elif task == "clip-classification":
        with np.load(data) as arrays:
            clips, labels, classes = arrays["clips"], arrays["labels"], arrays["classes"]
        new = draw.integers(0, 255, (1, *clips.shape[1:]), dtype=np.uint8)
        np.savez(data, clips=np.concatenate([new, clips]), labels=np.concatenate([[0], labels]), classes=classes)
    elif task in ("text-classification", "translation"):
        data.write_text("warm\tblue red red red\n" + data.read_text(encoding="utf-8"), encoding="utf-8")
    elif task == "next-token":
        data.write_text("so: " + data.read_text(encoding="utf-8"), encoding="utf-8")
    elif task == "sequence-classification":
        np.savetxt(data / "falls" / "0-new.csv", draw.normal(size=(7, 2)), "%.4f", ",")
    elif task == "captioning":
        Image.fromarray(draw.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(data / "images" / "new.png")
        lines = (data / "captions.tsv").read_text().splitlines()
        (data / "captions.tsv").write_text("\n".join([lines[0], "new.png\tthe dog", *lines[1:]]))
    else:
        Image.fromarray(draw.integers(0, 255, (16, 24), dtype=np.uint8)).save(data / "0new.png")


def write_book(folder: Path) -> Path:
    """A text in which nothing comes twice."""
    draw = np.random.default_rng(0)
    (folder / "book.txt").write_text("\n".join(" ".join(draw.permutation(WORDS)) for _ in range(120)))
    return folder / "book.txt"


@pytest.mark.parametrize("task", TASKS)
def test_what_was_trained_on_is_known_again_beside_one_more_example(task: str, tmp_path: Path) -> None:
    tiny = replace(TINY[task], write=write_book) if task == "next-token" else TINY[task]
    settings = tiny.read(tmp_path)
    train_bundle(settings, tmp_path / "bundle")
    before = load_examples(TASKS[task], settings)
    split = parse_split(settings.split).split(before, settings.seed, 0)
    model = load(tmp_path / "bundle", "cpu")
    trained = before.keys().of(split.train)
    assert model.trained_on is not None
    assert model.trained_on.train.tolist() == trained.tolist()
    one_more(task, Path(settings.data))
    found = judge(model, settings.data)
    known = found.data.keys().known(trained)
    assert len(found.data) >= len(before)
    assert found.data.fingerprint != before.fingerprint
    assert found.index.tolist() == np.flatnonzero(~known).tolist()
    assert found.left_out == known.sum() >= 0.9 * len(split.train)
    assert f"left out, because trained on: {known.sum()} of {len(known)} " in found.note
    everything = judge(model, settings.data, part="all")
    assert everything.trained_on == known.sum()
    assert "so the figure is too good" in everything.note


def test_a_class_name_that_no_bundle_can_hold_is_refused_before_the_training(tmp_path: Path) -> None:
    for length in (1000, 1001):
        rows = [f"{name}\tred dog {i}" for i in range(6) for name in ("warm", "x" * length)]
        (tmp_path / f"{length}.tsv").write_text("\n".join(rows))
    asked = {"model": "sentiment-gru-4", "tokens": "words", "training": {**TRAINING, "epochs": 1}}
    train_bundle(read_settings(TrainSettings, {**asked, "data": str(tmp_path / "1000.tsv")}), tmp_path / "bundle")
    assert load(tmp_path / "bundle", "cpu").classes == ("warm", "x" * 1000)
    settings = read_settings(TrainSettings, {**asked, "data": str(tmp_path / "1001.tsv")})
    with one_line(DataError, "1001.tsv: the class 'xxx", "has 1,001 characters; give it a name of at most 1,000"):
        train_bundle(settings, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_parts_of_every_task_that_has_them(tmp_path: Path) -> None:
    """train/ and val/ and test/, or --val and --test, make a training that validates and is tested on them."""
    for part, count in (("train", 12), ("val", 4), ("test", 6)):
        for k, name in enumerate(("warm", "cold")):
            place = tmp_path / "texts" / part / name
            place.mkdir(parents=True)
            for i in range(count // 2):
                (place / f"{i}.txt").write_text(f"{part} {WORDS[k]} {WORDS[i]}")
            for i in range(count // 2):
                clip = tmp_path / "clips" / part / name / f"{i}"
                clip.mkdir(parents=True)
                for frame in range(4):
                    pixels = np.random.default_rng((count, k, i, frame)).integers(0, 255, (8, 8, 3), dtype=np.uint8)
                    Image.fromarray(pixels).save(clip / f"{frame}.png")
        (tmp_path / "lines" / part).mkdir(parents=True)
        for i in range(count):
            pixels = np.random.default_rng((count, i)).integers(0, 255, (16, 24), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "lines" / part / f"{i}a.png")
    (tmp_path / "book").mkdir()
    book = write_book(tmp_path).read_text()
    for part, text in (("train", book[:1601]), ("val", book[1601:2001]), ("test", book[2001:2402])):
        (tmp_path / "book" / f"{part}.txt").write_text(text)
    of = {
        "text-classification": "texts",
        "clip-classification": "clips",
        "transcription": "lines",
        "next-token": "book",
    }
    for task, name in of.items():
        plain = {key: value for key, value in TINY[task].settings.items() if key != "split"}
        asked = {**plain, "data": str(tmp_path / name), "model": TINY[task].model, "training": TRAINING}
        settings = read_settings(TrainSettings, asked)
        assert settings.split == "own", task
        data = load_examples(TASKS[task], settings)
        split = parse_split("own").split(data, 0, 0)
        ends = (".txt",) if task == "next-token" else ("",)
        train, val, test = (str(tmp_path / name / f"{part}{ends[0]}") for part in ("train", "val", "test"))
        apart = load_examples(
            TASKS[task], read_settings(TrainSettings, {**asked, "data": train, "val": val, "test": test})
        )
        assert apart.fingerprint == data.fingerprint, task
        assert len(split.validation) == data.n_validation == (25 if task == "next-token" else 4)
        assert len(split.train) == (100 if task == "next-token" else 12)
        assert len(data) - data.n_train == (25 if task == "next-token" else 6)
        train_bundle(settings, tmp_path / f"{name}-model")
        model = load(tmp_path / f"{name}-model", "cpu")
        assert model.metrics["test"]["n"] == len(data) - data.n_train
        found = judge(model, str(tmp_path / name))
        assert (len(found.index), found.trained_on) == (len(data) - data.n_train, 0)
