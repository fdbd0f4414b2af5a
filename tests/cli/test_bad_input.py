"""Bad input, row by row: the status, exactly one line on the error stream, and what it says."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ecrnn.core.seals import seal

# Words with {place} in them stand for the folder that `place` prepares. Status 2: a wrong call; 1: it cannot be done.
ROWS = [
    # names
    ("sumary cnn", 2, "unknown command 'sumary', did you mean 'summary'?"),
    ("frobnicate", 2, "unknown command 'frobnicate', known are bench, bundle, check, compare, doctor, .*, train"),
    ("--verson", 2, "unknown option '--verson', did you mean '--version'?"),
    ("compare digits --modles cnn", 2, "unknown option '--modles', did you mean '--models'?"),
    ("compare digits --model=cnn", 2, "unknown option '--model', did you mean '--models'?"),
    ("compare digits -q", 2, "unknown option '-q'; ecrnn compare --help lists them"),
    ("train digits --epoch 3", 2, "unknown option '--epoch', did you mean '--epochs'?"),
    ("train digits --batchsize 3", 2, "unknown option '--batchsize', did you mean '--batch-size'?"),
    ("compare digit", 2, "unknown data set 'digit', did you mean 'digits'?"),
    ("train cifar-10 --model cnn -o {place}/new", 2, "unknown data set 'cifar-10', did you mean 'cifar10'?"),
    ("compare digits --models cnn,crnn-lst-16", 2, "unknown model 'crnn-lst-16', did you mean 'crnn-lstm-16'?"),
    ("train digits --model ercnn-bilstm-16", 2, "unknown model 'ercnn-bilstm-16', did you mean 'ecrnn-bilstm-16'?"),
    ("summary crnn-lstm-16@colums", 2, "unknown scan 'colums', did you mean 'columns'?"),
    ("summary crnn-lstm-0", 2, "nodes must be whole numbers from 1 to 4096"),
    ("compare digits --set training.optimiser=sgd", 2, "key 'training.optimiser', did you mean 'training.optimizer'?"),
    ("compare digits --set epochs=3", 2, "unknown configuration key 'epochs', did you mean 'training.epochs'?"),
    ("compare digits --config {place}/key.yaml", 2, "unknown configuration key 'repeat', did you mean 'repeats'?"),
    ("predict {bundle} {images} --format jsn", 2, "unknown format 'jsn', did you mean 'jsonl'?"),
    ("evaluate {bundle} {images} --part tst", 2, "unknown part 'tst', did you mean 'test'?"),
    ("report {study} --baseline cn --out {place}/new", 2, "did you mean 'cnn'?"),
    ("compare digits --models cnn,charlm", 2, "cnn is for image-classification and charlm for next-token: only models"),
    ("train digits --model charlm -o {place}/new", 1, "digits is a data set for image-classification, not for next-"),
    ("evaluate {bundle} tiny-shakespeare", 1, "is a data set for next-token, not for image-classification; give c"),
    ("predict {bundle} {images} --part 4/3 -o parts", 2, "--part wants a number and of how many, as in 3/40, not"),
    ("predict {bundle} {images} --part 1/3", 2, "--part wants a file or a folder for the predictions"),
    ("predict {bundle} {images} --excel", 2, "--excel is for CSV in a file, as in --excel --out predictions.csv"),
    ("predict {bundle} {images} --format parquet", 2, "--format parquet wants a file, as in --out predictions.parquet"),
    ("predict {bundle} {images} --reject 0.001", 2, "0.001 is too small a share for "),
    ("evaluate {bundle} {images} --temperature hot", 2, "--temperature wants fit or a number above 0, not 'hot'"),
    ("evaluate {bundle} {images} --temperature 0", 2, "temperature should be above 0, or fit, not 0.0"),
    ("evaluate {bundle} {images} --threshold 0.3", 2, "threshold is for models of two classes; this one has 3"),
    ("evaluate {bundle} {images} --beam 2", 2, "a beam search is for models that write texts, not for image-"),
    ("predict {bundle} {images} --beam 2", 2, "a beam search is for models that write texts, not for image-"),
    ("predict {bundle} --text red", 2, "--text is not for image-classification, which takes images"),
    ("generate {bundle}", 2, "is for image-classification, not a character model; use it as in: ecrnn predict"),
    ("generate {place}", 1, "is not a bundle: bundle.json is missing"),
    # values
    ("compare digits --trials-per-gpu 2 -o {place}/new", 1, "trials per GPU are for the device cuda, and these trials"),
    ("work {study} --trials-per-gpu 2", 1, "trials per GPU are for the device cuda, and these trials run on 'cpu'"),
    ("compare digits --trials-per-gpu 0", 2, "--trials-per-gpu: input should be greater than or equal to 1, not '0'"),
    ("train digits --model cnn -o {place}/new --device gpu", 2, "--device: .*, not 'gpu', did you mean 'cuda'?"),
    ("predict {bundle} {images} --device gpu", 2, "device: .*, not 'gpu', did you mean 'cuda'?"),
    ("train digits --model cnn --augment flipp", 2, "--augment: .*, not 'flipp', did you mean 'flip'?"),
    ("train digits --model cnn --keep bst", 2, "--keep: input should be 'best' or 'last', .* did you mean 'best'?"),
    ("compare digits --precision fp32", 2, "--precision: .*, not 'fp32', did you mean 'float32'?"),
    ("compare digits --set training.schedule=cosin", 2, "training.schedule: .* did you mean 'cosine'?"),
    ("compare digits --epochs two", 2, "--epochs: .*'two'"),
    ("compare digits --epochs 0", 2, "--epochs: .*1, not 0"),
    ("compare digits --batch-size 1", 2, "--batch-size: .*2, not 1"),
    ("compare digits --lr nan", 2, "--lr: .*finite"),
    ("compare digits --repeats 0", 2, "--repeats: .*1, not 0"),
    ("compare digits --jobs 0", 2, "--jobs: "),
    ("compare digits --rope -1", 2, "--rope: "),
    ("compare digits --seed -1", 2, "--seed: "),
    ("compare digits --threads 0", 2, "--threads: "),
    ("compare digits --image-size 4", 2, "--image-size: .*8, not 4"),
    ("compare digits --channels 2", 2, "--channels: input should be 1 or 3, not 2"),
    ("compare digits --split 1.5", 2, "split '1.5' should lie between 0 and 1"),
    ("compare digits --split half", 2, "give a fraction such as 0.7, folds such as 5-fold, or own"),
    ("compare digits --models ,", 2, "--models names none; give names with commas"),
    ("compare digits --set training.lr", 2, "--set wants key=value, as in --set training.lr=0.01"),
    ("compare digits --set training=3", 2, "training: "),
    ("summary cnn --image 32x32", 2, "--image wants channels x height x width, as in 3x32x32, not '32x32'"),
    ("summary cnn --image 2x32x32", 2, "images have 1 or 3 channels, not 2"),
    ("summary cnn --classes 1", 2, "a classifier needs 2 to 100,000 classes, not 1"),
    ("predict {bundle} {images} --top 0", 2, "--top: "),
    ("compare digits --epochs", 2, "option '--epochs' requires an argument"),
    ("compare digits --json=3", 2, "option '--json' does not take a value"),
    ("bench stp", 2, "unknown command 'stp', did you mean 'step'?"),
    # what is missing, what is too much
    ("compare", 2, "name the data: .*digits, .*, tiny-shakespeare, or a file or folder of your own"),
    ("train --model cnn -o {place}/new", 2, "name the data: captcha, cifar10, .*, or a file or folder of your own"),
    ("train digits -o {place}/new", 2, "name the model, as in --model cnn"),
    ("train digits --model cnn", 2, "name the folder for the trained model, as in -o my-classifier"),
    ("bundle {study} -o {place}/new", 2, "name the model, as in --model ecrnn-bilstm-16"),
    ("bundle {study} --model cnn", 2, "name the folder for the model, as in -o my-classifier"),
    ("evaluate", 2, "evaluate wants BUNDLE, as in: ecrnn evaluate my-classifier photos/"),
    ("evaluate {bundle}", 2, "evaluate wants DATA, as in: ecrnn evaluate"),
    ("predict {bundle}", 2, "predict wants FILE-OR-FOLDER..., as in: ecrnn predict"),
    ("report", 2, "report wants RUN..., as in: ecrnn report runs/compare-cifar10"),
    ("summary", 2, "summary wants MODEL, as in: ecrnn summary ecrnn-bilstm-16"),
    ("train digits cifar10 --model cnn", 2, "got unexpected extra argument.*(cifar10); ecrnn train --help"),
    ("compare digits {place}/none", 1, "none does not exist; give a folder with one sub-folder a class"),
    ("plan digits --models , --difference 1", 2, "--models names none; give names with commas"),
    # files of settings
    ("compare --config {place}/none.yaml", 2, "cannot read .*none.yaml: No such file"),
    ("compare --config {place}/broken.yaml", 2, "broken.yaml, line 3: not valid YAML"),
    ("compare --config {place}/list.yaml", 2, "expected 'key: value' lines, found list"),
    # data
    ("compare {place}/none", 1, "none does not exist; give a folder with one sub-folder a class"),
    ("compare {place}/file.txt", 1, "file.txt is a file; give a folder"),
    ("compare {place}/loose", 1, "holds 1 images but no sub-folders; put the images of each class into"),
    ("compare {place}/empty-class", 1, "empty-class/b holds no images; add some or remove it"),
    ("compare {place}/one-class", 1, "holds one class (a), but at least two are needed"),
    ("compare {place}/corrupt", 1, "1 of 4 images in .* cannot be read (b/2.png: .*); replace or remove them"),
    ("compare {place}/parts", 1, "parts/test has a class 'c' that .*parts/train has not; give both the same classes"),
    ("train {place}/flat-test --model cnn -o {place}/new", 1, "flat-test/test holds 1 image but no .* give .*/train"),
    ("train digits --model cnn --val {place}/loose -o {place}/new", 1, "--val and --test go with a folder of your own"),
    ("train {images} --model cnn --val {place}/none -o {place}/new", 1, "none does not exist; give a folder"),
    ("train {images} --model cnn --val {images} --split 0.8 -o {place}/new", 2, "--split 0.8 and --val exclude"),
    ("compare mnist --data-dir {place}/wrong-mnist", 1, "train-images-idx3-ubyte.gz is damaged or .* delete it"),
    ("compare cifar10 --data-dir {place}/none", 1, "none"),
    ("compare cifar10 --data-dir {place}/loose", 1, "cifar-10"),
    ("compare {images} --split own --out {place}/new", 1, "has no test part of its own, give a fraction"),
    ("compare digits --device cuda --out {place}/new", 1, "torch finds no CUDA device; use --device cpu"),
    # run directories and bundles
    ("report {place}/none", 1, "none is not a run directory: .*; give the --out of an earlier compare"),
    ("report {place}/loose", 1, "loose is not a run directory: it has no study.yaml"),
    ("report {study} {other} --out {place}/new", 1, "are not one study: "),
    ("report {place}/begun --out {place}/new", 1, "no finished trial in .*begun"),
    ("compare digits --models cnn --image-size 16 --out {study}", 1, "another study: image_size is 16 here and 8"),
    ("compare digits --models cnn --out {place}/loose", 1, "is not empty and holds no study; choose another --out"),
    ("compare digits --models cnn --out {place}/file.txt", 1, "file.txt is a file; .* choose another --out"),
    ("bundle {place}/none --model cnn -o {place}/new", 1, "none is not a run directory: .*; give the --out"),
    ("bundle {study} --model crnn-lstm-16 -o {place}/new", 2, "unknown model 'crnn-lstm-16', known are cnn, ecnn"),
    ("bundle {study} --model cnn -o {bundle}", 1, "holds a bundle already; choose another -o, or delete it first"),
    ("train digits --model cnn -o {place}/loose", 1, "is not empty and holds no training; choose another -o"),
    ("train digits --model cnn -o {bundle}", 1, "holds a bundle already; choose another -o, or delete it first"),
    ("evaluate {place}/none digits", 1, "there is no folder .*none; a bundle is what 'ecrnn train"),
    ("evaluate {study} digits", 1, "is not a bundle: bundle.json is missing"),
    ("evaluate {bundle} digits", 1, "digits has a class '0' that the model does not know"),
    ("evaluate {bundle} {images} --part test", 1, "has no test part of its own; use --part validation or all"),
    ("predict {place}/truncated {images}", 1, "truncated/model.safetensors"),
    ("predict {place}/flipped {images}", 1, "flipped/bundle.json is damaged, or was changed by hand"),
    ("predict {place}/foreign {images}", 1, "bundle.json cannot be used: .*'cmm'"),
    ("predict {bundle} {place}/none.png", 1, "there is no file or folder .*none.png"),
    ("predict {bundle} {place}/corrupt/b/2.png", 1, "cannot read .*2.png"),
    ("predict {bundle} {place}/empty-class/b", 1, "empty-class/b holds no images"),
]  # fmt: skip


def pattern(sentence: str) -> str:
    """The sentence as a regular expression in which only `.*` is special."""
    return ".*".join(map(re.escape, sentence.split(".*")))


@pytest.fixture(scope="module")
def place(bundle: Path, study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of everything that is wrong."""
    folder = tmp_path_factory.mktemp("bad")
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 20, 3), dtype=np.uint8))
    names = "loose/1 one-class/a/1 empty-class/a/1 corrupt/a/1 corrupt/a/2 corrupt/b/1 corrupt/b/2"
    parts = "parts/train/a/1 parts/train/b/1 parts/test/a/1 parts/test/b/1 parts/test/c/1"
    for name in f"{names} {parts} flat-test/train/a/1 flat-test/train/b/1 flat-test/test/1".split():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        image.save(folder / f"{name}.png")
    whole = (folder / "corrupt/b/2.png").read_bytes()
    (folder / "corrupt/b/2.png").write_bytes(whole[: len(whole) // 2])
    (folder / "empty-class/b").mkdir()
    (folder / "file.txt").write_text("text")
    (folder / "wrong-mnist" / "mnist").mkdir(parents=True)
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (folder / "wrong-mnist" / "mnist" / f"{name}-ubyte.gz").write_bytes(b"not what was published")
    (folder / "key.yaml").write_text("repeat: 3\n")
    (folder / "broken.yaml").write_text("repeats: 3\nmodels: [cnn\n")
    (folder / "list.yaml").write_text("- 1\n")
    for name in ("truncated", "foreign"):
        shutil.copytree(bundle, folder / name)
    weights = folder / "truncated" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    description = folder / "foreign" / "bundle.json"
    values = json.loads(description.read_text())
    del values["digest"]
    description.write_text(json.dumps(seal(values | {"model": "cmm"})))
    (folder / "flipped").mkdir()
    for path in bundle.iterdir():
        if path.is_file():
            (folder / "flipped" / path.name).write_bytes(path.read_bytes().replace(b'"cnn"', b'"cmm"'))
    (folder / "begun").mkdir()
    shutil.copy(study / "study.yaml", folder / "begun")
    shutil.copy(study / "environment.json", folder / "begun")
    return folder


@pytest.fixture(scope="module")
def other(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with another seed."""
    folder = shutil.copytree(study, tmp_path_factory.mktemp("other") / "study")
    settings = folder / "study.yaml"
    _, _, lines = settings.read_text().partition("\n")  # the first has their digest
    settings.write_text(lines.replace("seed: 0", "seed: 1"))
    return folder


@pytest.mark.sampled(most=40)
@pytest.mark.parametrize(("words", "status", "sentence"), ROWS, ids=[row[0] for row in ROWS])
def test_bad_input_is_one_line(
    call: Any, place: Path, other: Path, study: Path, bundle: Path, images: Path,
    words: str, status: int, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    import torch

    if "cuda " in words and torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    monkeypatch.chdir(tmp_path)
    folders = {"place": place, "other": other, "study": study, "bundle": bundle, "images": images}
    before = [_contents(folder) for folder in folders.values()]
    done = call(*(word.format(**folders) for word in words.split()))
    assert done.err.startswith("ecrnn: ")
    assert done.err.count("\n") == 1, done.err
    assert done.err.endswith("\n")
    assert "Traceback" not in done.err
    assert re.search(pattern(sentence), done.err), done.err
    assert (done.status, done.out) == (status, "")
    shutil.rmtree(place / "new", ignore_errors=True)
    assert [
        _contents(folder) for folder in folders.values()
    ] == before  # nothing earlier is lost, nothing new lies about
    assert not list(tmp_path.rglob("manifest.json"))


def _contents(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}
