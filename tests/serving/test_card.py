"""The model card: the measured figures, and names that cannot break it."""

import re
from dataclasses import replace

import pytest
from tiny_tasks import TINY, untrained

from ecrnn.models.names import parse
from ecrnn.models.processor import Processor
from ecrnn.serving.card import model_card
from ecrnn.stats.metrics import METRICS as METRICS_OF

METRICS = {
    "data": "flowers",
    "parameters": 1_715_210,
    "multiply_adds": 33_000_000,
    "n_train": 1438,
    "n_validation": 359,
    "accuracy": 0.9721,
    "accuracy_low": 0.9496,
    "accuracy_high": 0.985,
    "last_epochs": {"epochs": 5, "lowest": 0.9415, "mean": 0.96, "highest": 0.9805},
    "keep": "best",
    "kept_accuracy": 0.9833,
    "keep_window": 3,
    "epoch": 7,
    "epochs": 15,
    "recipe": "adam at 0.001, batch 128, float32",
}


def card(processor: Processor, folder="flowers-model", classes=("ant", "bee", "cat"), **metrics) -> str:
    return model_card(parse("ecrnn-bilstm-3@rows"), replace(processor, classes=classes), METRICS | metrics, folder)


def rows(text: str) -> dict[str, str]:
    """The table, by its first column; a bar with a backslash before it does not end a cell."""
    cells = [re.split(r"(?<!\\)\|", line) for line in text.splitlines() if line.startswith("| ")]
    assert all(len(row) == 4 for row in cells), cells
    return {row[1].strip(): row[2].strip() for row in cells}


def test_figures(processor):
    text = card(processor)
    assert text.startswith("# ecrnn-bilstm-3@rows on flowers\n")
    table = rows(text)
    assert table["Model"] == "`ecrnn-bilstm-3@rows`, 1,715,210 parameters, 33,000,000 multiply-adds an image"
    assert table["Input"].startswith("9x12 pixels, RGB, ")
    assert table["Classes"] == "3: ant, bee, cat"
    assert table["Trained on"] == "1,438 images of flowers, 15 epochs, adam at 0.001, batch 128, float32"
    assert table["Accuracy"] == (
        "**97.21 %** on 359 validation images (95 % interval 94.96 to 98.50) after the last epoch; "
        "94.15 to 98.05 % over the last 5 epochs"
    )
    assert table["Kept weights"].startswith("98.33 % on the same images, with which its epoch was chosen: no estimate")
    assert text.index("**97.21 %**") < text.index("98.33 %")
    assert (
        "epoch 7 of 15, chosen by the mean accuracy of up to 3 epochs that end with it on these validation images."
        in text
    )
    assert "optimistic" in text
    assert "ecrnn predict flowers-model photo.png" in text
    assert 'ecrnn.load("flowers-model").predict' in text


def test_a_kept_epoch_with_a_test_part(processor):
    text = card(processor, test={"n": 1, "accuracy": 1.0, "accuracy_low": 0.2, "accuracy_high": 1.0})
    assert rows(text)["Test accuracy"] == "**100.00 %** on 1 test image (95 % interval 20.00 to 100.00)"
    assert "their own figure is optimistic.\nThe test images are the data set's own." in text
    assert "theirs is the figure to expect" in text
    assert "Expect about the last" not in text


def test_last_epoch(processor):
    text = card(processor, keep="last", kept_accuracy=None)
    assert "The weights are those of the last epoch" in text
    assert "optimistic" not in text
    assert "Kept weights" not in rows(text)


def test_a_best_epoch_that_nothing_chose(processor):
    text = card(processor, epoch=1, epochs=1, last_epochs=None)
    assert "The weights are those of the last epoch; nothing was chosen" in text
    assert "over the last" not in text


def test_one_of_everything(processor):
    text = card(processor, n_train=1, n_validation=1, epochs=1, keep="last", kept_accuracy=None, keep_window=1)
    assert rows(text)["Trained on"].startswith("1 image of flowers, 1 epoch, adam")
    assert "on 1 validation image (" in rows(text)["Accuracy"]
    single = card(processor, keep_window=1)
    assert "epoch 7 of 15, chosen by its accuracy on these validation images." in single


TRIAL = {
    "study": "a_study",
    "split": "0.7",
    "seed": 5,
    "repeat": 2,
    "keep": "last",
    "trials": {"finished": 3, "best": 0.9721, "mean": 0.9},
    "terms": "The terms of flowers.",
    "test": {"n": 10_000, "accuracy": 0.76, "accuracy_low": 0.75, "accuracy_high": 0.77},
}


def test_a_trial_chosen_from_a_study(processor):
    text = card(processor, **TRIAL)
    assert rows(text)["Test accuracy"] == "**76.00 %** on 10,000 test images (95 % interval 75.00 to 77.00)"
    assert rows(text)["Accuracy"].startswith("**97.21 %** on 359 validation images")
    assert "the last epoch of repeat 2 in the study a\\_study (split 0.7, seed 5), the best of its 3 finished" in text
    assert "(mean 90.00 %, each on its own validation images)" in text
    assert "its validation accuracy is a little optimistic" in text
    assert "used neither to train nor to choose" in text
    assert "\nThe terms of flowers.\n" in text
    assert "`config.yaml`" in text


@pytest.mark.parametrize(
    ("finished", "best", "line"),
    [
        (
            3,
            0.98,
            "one of its 3 finished trials of this model (mean 90.00 %, each on its own validation images); the best",
        ),
        (1, 0.9721, "the only finished trial of this model there: nothing was chosen on the validation images."),
    ],
)
def test_a_trial_that_was_not_chosen_for_its_accuracy(processor, finished, best, line):
    text = card(processor, **TRIAL | {"trials": {"finished": finished, "best": best, "mean": 0.9}})
    assert line in text
    assert "optimistic" not in text


def test_many_classes_are_cut(processor):
    classes = tuple(f"c{n}" for n in range(100))
    assert rows(card(processor, classes=classes))["Classes"] == "100: " + ", ".join(classes[:20]) + ", ..."


NASTY = [
    "a|b",
    "a\nb",
    "a\r\n# Title",
    "`code`",
    "*bold*",
    "<script>alert(1)</script>",
    "[x](http://y)",
    "a\\|b",
    "\u2028x",
]


@pytest.mark.parametrize("name", NASTY, ids=range(len(NASTY)))
def test_class_names_and_data_are_shown_as_they_are(processor, name):
    plain, text = card(processor), card(processor, classes=(name, "bee", "cat"), data=name)
    assert len(text.splitlines()) == len(plain.splitlines())
    assert rows(text).keys() == rows(plain).keys()
    shown = rows(text)["Classes"].removeprefix("3: ").removesuffix(", bee, cat")
    assert not re.search(r"(?<!\\)(?:\\\\)*[|`*<>\[\]_]", shown)  # every special character has its backslash
    assert re.sub(r"\\(.)", r"\1", shown).split() == name.replace("\u2028", " ").split()


@pytest.mark.parametrize("folder", ["my model", "a;rm -rf x", "a\n```\nb", 'a"b', "$(x)", "ü"])
def test_folder_names_are_quoted(processor, folder):
    text, shown = card(processor, folder), folder.replace("\n", " ")
    assert len(text.splitlines()) == len(card(processor).splitlines())
    shell = next(line for line in text.splitlines() if line.startswith("ecrnn predict"))
    if shown != "ü":
        assert shell == f"ecrnn predict '{shown}' photo.png"
    call = next(line for line in text.splitlines() if line.startswith("ecrnn.load("))
    assert eval(call.removeprefix("ecrnn.load(").split(").predict")[0]) == shown


SENTENCES = {  # of each task: what its card says of the model, what goes in, and its use
    "image-classification": ("An image classifier", "| Input | 8x8 pixels, RGB", "photo.png"),
    "clip-classification": ("A classifier of clips", "| Input | 4 frames of 8x8 pixels, grey", "ecrnn evaluate"),
    "text-classification": ("A text classifier", "| Input | up to 256 words, of a vocabulary of 10 |", "--text"),
    "next-token": ("A character model", "| Input | blocks of 16 characters, of a vocabulary of 20 |", "ecrnn generate"),
    "translation": ("A translator", "| Input | up to 8 words, of a vocabulary of 10 |", ".translate("),
    "captioning": ("A writer of captions", "| Output | up to 6 words, of a vocabulary of 12 |", ".caption("),
    "transcription": ("A reader of lines", "| Input | lines 16 pixels high, of any width, grey |", ".read("),
}


@pytest.mark.parametrize("task", SENTENCES)
def test_every_task_has_its_words(task, tmp_path):
    model, _ = untrained(task, tmp_path)
    metric = METRICS_OF[model.task.metric]
    values = {metric.name: 0.25, f"{metric.name}_low": 0.2, f"{metric.name}_high": 0.3, "n": 1000}
    values[f"kept_{metric.name}"] = 0.26
    text = model_card(parse(TINY[task].model), model.processor, METRICS | values | {"test": values}, "my model")
    what, goes_in, use = SENTENCES[task]
    assert f"\n{what}" in text
    assert goes_in in text
    assert use in text
    assert f"| Trained on | 1,438 {model.task.examples} of flowers" in text
    assert rows(text)[f"Test {metric.title}"].startswith(
        f"**{metric.measured(0.25)}** on 1,000 test {model.task.examples} ("
    )
    assert f"chosen by the mean {metric.title} of up to 3 epochs" in text
    assert rows(text)["Kept weights"].startswith(
        f"{metric.measured(0.26)} on the same {model.task.examples}, with which"
    )
    assert f"; {metric.shown(0.9415)} to {metric.measured(0.9805)} over the last 5 epochs" in text
    assert "{" not in text
