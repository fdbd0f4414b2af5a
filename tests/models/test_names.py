"""The grammar of model names: every right form, and for each wrong one the sentence a user reads."""

import itertools

import pytest

from ecrnn.core.errors import EcrnnError
from ecrnn.core.tasks import TASKS
from ecrnn.layers.orders import SCANS
from ecrnn.models.family import CELLS, MAX_LAYERS, MAX_NODES, ONE_WAY
from ecrnn.models.names import ModelName, parse, task
from ecrnn.models.registry import built_in

CLASSICS = [
    "mlp",
    "mlp-1",
    "mlp-4096",
    "mlp-squared",
    "mlp-64-squared",
    "lenet5",
    "lenet5-1998",
    "alexnet",
    "alexnet-lrn",
]
RIGHT = ["cnn", "cnn-1275", "cnn-1-4096-7", "cnn-1-2-3-4-5-6-7-8", "ecnn", *CLASSICS]
RIGHT += [
    f"{family}-{cell}-{nodes}{scan}"
    for family, cell, nodes, scan in itertools.product(
        ("crnn", "ecrnn"), CELLS, ("1", "16", "32-32", "4096", "1-2-3-4-5-6-7-8"), ("", "@rows", "@random")
    )
]
RIGHT += ["parallel", "parallel-32", "frames", "charlm", "sentiment", "sentiment-cnn", "sentiment-parallel", "ocr"]
RIGHT += [
    "-".join(filter(None, (start, cell, nodes, end)))
    for cells, layers, starts in [
        (CELLS, ("1", "33"), ("rows", "frames", "sentiment-cnn")),
        (CELLS, ("1", "4096", "1-2-3-4-5-6-7-8"), ("sentiment", "ocr")),
        (ONE_WAY, ("1", "4096", "1-2-3-4-5-6-7-8"), ("charlm",)),
        (ONE_WAY, ("1", "33"), ("translate", "caption")),
    ]
    for start, cell, nodes in itertools.product(starts, cells, layers)
    for end in ("", *built_in()[start].suffixes)
]

NODES = "nodes must be whole numbers from 1 to 4096, as in crnn-lstm-16-16"
HIDDEN = "nodes must be whole numbers from 1 to 4096, as in mlp-64"
DENSE = "nodes must be whole numbers from 1 to 4096, as in cnn-1275"
FORMS = (
    "names are alexnet, cnn, crnn-<cell>-<nodes>, ecnn, ecrnn-<cell>-<nodes>, forest, lenet5, logistic, majority, "
    "mlp, parallel, rows-<cell>-<nodes>, frames, sentiment, sentiment-cnn, sentiment-parallel, charlm, translate, "
    "caption, ocr"
)
ALL_SCANS = "known are columns, flatten-chw, flatten-hwc, positions, random, rows"

WRONG = {
    "": f"unknown model '', {FORMS}",
    "vgg16": f"unknown model 'vgg16', {FORMS}",
    "../../etc/passwd": f"unknown model '../../etc/passwd', {FORMS}",
    "CNN": "unknown model 'CNN', did you mean 'cnn'?",
    " cnn": "unknown model ' cnn', did you mean 'cnn'?",
    "cnnn": "unknown model 'cnnn', did you mean 'cnn'?",
    "cnn-lstm-16": "unknown model 'cnn-lstm-16', did you mean 'crnn-lstm-16'?",
    "cnn-wide": "unknown model 'cnn-wide', did you mean 'cnn-16'?",
    "cn-1275": "unknown model 'cn-1275', did you mean 'cnn-1275'?",
    "CNN-12-34": "unknown model 'CNN-12-34', did you mean 'cnn-12-34'?",
    "cnn-": f"model 'cnn-': {DENSE}",
    "cnn-0": f"model 'cnn-0': {DENSE}",
    "cnn-4097": f"model 'cnn-4097': {DENSE}",
    "cnn-16-": f"model 'cnn-16-': {DENSE}",
    "cnn--16": f"model 'cnn--16': {DENSE}",
    "cnn-1.5": f"model 'cnn-1.5': {DENSE}",
    "cnn-1-1-1-1-1-1-1-1-1": "model 'cnn-1-1-1-1-1-1-1-1-1': at most 8 dense hidden layers, not 9",
    "cnn@rows": "model 'cnn@rows': cnn takes no scan, write 'cnn'",
    "cnn@": "model 'cnn@': cnn takes no scan, write 'cnn'",
    "cnn-1275@rows": "model 'cnn-1275@rows': cnn takes no scan, write 'cnn-1275'",
    "ecnn-16": "model 'ecnn-16': ecnn takes no cell, nodes or scan, write 'ecnn'",
    "ecnn-": "model 'ecnn-': ecnn takes no cell, nodes or scan, write 'ecnn'",
    "crnn": "model 'crnn': cell and nodes are missing, as in crnn-bilstm-16",
    "ecrnn": "model 'ecrnn': cell and nodes are missing, as in ecrnn-bilstm-16",
    "ecrnn-": "model 'ecrnn-': cell and nodes are missing, as in ecrnn-bilstm-16",
    "crnn@rows": "model 'crnn@rows': cell and nodes are missing, as in crnn-bilstm-16",
    "crnn-lsmt-16": "unknown model 'crnn-lsmt-16', did you mean 'crnn-lstm-16'?",
    "crnn-bilsmt-32-32": "unknown model 'crnn-bilsmt-32-32', did you mean 'crnn-bilstm-32-32'?",
    "crnn-lsmt-16@rows": "unknown model 'crnn-lsmt-16@rows', did you mean 'crnn-lstm-16@rows'?",
    "crnn-lsmt-9999": "unknown model 'crnn-lsmt-9999', did you mean 'crnn-lstm-16'?",
    "crnn-lsmt-²": "unknown model 'crnn-lsmt-²', did you mean 'crnn-lstm-16'?",
    "crnn-bi-16": "unknown model 'crnn-bi-16', did you mean 'crnn-birnn-16'?",
    "ecrn-bilstm-16": "unknown model 'ecrn-bilstm-16', did you mean 'ecrnn-bilstm-16'?",
    "ECRNN-BILSTM-16": "unknown model 'ECRNN-BILSTM-16', did you mean 'ecrnn-bilstm-16'?",
    "ecrnn_bilstm_16": "unknown model 'ecrnn_bilstm_16', did you mean 'ecrnn-bilstm-16'?",
    "lstm-16": "unknown model 'lstm-16', did you mean 'crnn-lstm-16'?",
    "ecrnn-bilstm": "model 'ecrnn-bilstm': nodes must be whole numbers from 1 to 4096, as in ecrnn-lstm-16-16",
    "crnn-lstm-": f"model 'crnn-lstm-': {NODES}",
    "crnn-lstm-16-": f"model 'crnn-lstm-16-': {NODES}",
    "crnn-lstm--16": f"model 'crnn-lstm--16': {NODES}",
    "crnn-lstm-0": f"model 'crnn-lstm-0': {NODES}",
    "crnn-lstm-4097": f"model 'crnn-lstm-4097': {NODES}",
    "crnn-lstm-16-0": f"model 'crnn-lstm-16-0': {NODES}",
    "crnn-lstm-1.5": f"model 'crnn-lstm-1.5': {NODES}",
    "crnn-lstm-+4": f"model 'crnn-lstm-+4': {NODES}",
    "crnn-lstm-1_0": f"model 'crnn-lstm-1_0': {NODES}",
    "crnn-lstm-1e1": f"model 'crnn-lstm-1e1': {NODES}",
    "crnn-lstm-１６": f"model 'crnn-lstm-１６': {NODES}",
    "crnn-lstm-²": f"model 'crnn-lstm-²': {NODES}",
    "crnn-lstm-99999999999999999999": f"model 'crnn-lstm-99999999999999999999': {NODES}",
    "crnn-rnn-1-1-1-1-1-1-1-1-1": "model 'crnn-rnn-1-1-1-1-1-1-1-1-1': at most 8 recurrent layers, not 9",
    "mlp-": f"model 'mlp-': {HIDDEN}",
    "mlp-0": f"model 'mlp-0': {HIDDEN}",
    "mlp-4097-squared": f"model 'mlp-4097-squared': {HIDDEN}",
    "mlp-64-32": "model 'mlp-64-32': at most 1 hidden layer, not 2",
    "mlp@rows": "model 'mlp@rows': mlp takes no scan, write 'mlp'",
    "mlp-64-squared@": "model 'mlp-64-squared@': mlp takes no scan, write 'mlp-64-squared'",
    "mlp-64-sqared": "unknown model 'mlp-64-sqared', did you mean 'mlp-64-squared'?",
    "mlp-squared-64": "unknown model 'mlp-squared-64', did you mean 'mlp-squared'?",
    "MLP-64": "unknown model 'MLP-64', did you mean 'mlp-64'?",
    "lenet": "unknown model 'lenet', did you mean 'lenet5'?",
    "lenet-5": "unknown model 'lenet-5', did you mean 'lenet5'?",
    "lenet5-": "unknown model 'lenet5-', did you mean 'lenet5'?",
    "lenet5-1989": "unknown model 'lenet5-1989', did you mean 'lenet5-1998'?",
    "lenet5@rows": "model 'lenet5@rows': lenet5 takes no scan, write 'lenet5'",
    "alexnet-16": "unknown model 'alexnet-16', did you mean 'alexnet'?",
    "AlexNet": "unknown model 'AlexNet', did you mean 'alexnet'?",
    "alexnet-lrn-1998": "unknown model 'alexnet-lrn-1998', did you mean 'alexnet-lrn'?",
    "crnn-16": "model 'crnn-16': the cell is missing, as in crnn-bilstm-16",
    "crnn-lstm-16-x": "unknown model 'crnn-lstm-16-x', did you mean 'crnn-lstm-16'?",
    "lstm": "unknown model 'lstm', did you mean 'crnn-lstm-16'?",
    "bigru-8@rows": "unknown model 'bigru-8@rows', did you mean 'crnn-bigru-8@rows'?",
    "rows": "model 'rows': cell and nodes are missing, as in rows-bilstm-16",
    "rows-lstm-64-64": "model 'rows-lstm-64-64': at most 1 recurrent layer, not 2",
    "rows-lstm-64-cn": "unknown model 'rows-lstm-64-cn', did you mean 'rows-lstm-64-cnn'?",
    "rows-lstm-64@rows": "model 'rows-lstm-64@rows': rows takes no scan, write 'rows-lstm-64'",
    "parallel-lstm-32": "unknown model 'parallel-lstm-32', did you mean 'parallel-32'?",
    "charlm-512": "model 'charlm-512': the cell is missing, as in charlm-lstm-512",
    "charlm-": "unknown model 'charlm-', did you mean 'charlm'?",
    "charlm-lstm": "model 'charlm-lstm': nodes must be whole numbers from 1 to 4096, as in charlm-gru-256-256",
    "charlm-bilstm-16": "model 'charlm-bilstm-16': charlm reads in one direction, as in charlm-lstm-16",
    "charlm@rows": "model 'charlm@rows': charlm takes no scan, write 'charlm'",
    "CharLM": "unknown model 'CharLM', did you mean 'charlm'?",
    "char-lstm-64": "unknown model 'char-lstm-64', did you mean 'charlm-lstm-64'?",
    "sentimental": "unknown model 'sentimental', did you mean 'sentiment'?",
    "sentiment-cnn-64": "model 'sentiment-cnn-64': the cell is missing, as in sentiment-cnn-bilstm-64",
    "sentiment-cnn-lstm-8-8": "model 'sentiment-cnn-lstm-8-8': at most 1 recurrent layer, not 2",
    "sentiment-paralel": "unknown model 'sentiment-paralel', did you mean 'sentiment-parallel'?",
    "sentiment-parallel-16": (
        "model 'sentiment-parallel-16': sentiment-parallel takes no cell, nodes or scan, write 'sentiment-parallel'"
    ),
    "translate-gru-64-64": "model 'translate-gru-64-64': at most 1 recurrent layer, not 2",
    "translate-gru-64-atention": (
        "unknown model 'translate-gru-64-atention', did you mean 'translate-gru-64-attention'?"
    ),
    "captoin": "unknown model 'captoin', did you mean 'caption'?",
    "caption-bigru-8": "model 'caption-bigru-8': caption reads in one direction, as in caption-gru-8",
    "ocr-lsmt-8": "unknown model 'ocr-lsmt-8', did you mean 'ocr-lstm-8'?",
    "crnn-lstm-16@": f"unknown scan '', {ALL_SCANS} (model crnn-lstm-16)",
    "crnn-lstm-16@colums": "unknown scan 'colums', did you mean 'columns'? (model crnn-lstm-16)",
    "ecrnn-gru-8-8@ROWS": "unknown scan 'ROWS', did you mean 'rows'? (model ecrnn-gru-8-8)",
    "crnn-lstm-16@zigzag": f"unknown scan 'zigzag', {ALL_SCANS} (model crnn-lstm-16)",
    "crnn-lstm-16@rows@rows": f"unknown scan 'rows@rows', {ALL_SCANS} (model crnn-lstm-16)",
    "cnn\nrm": f"unknown model 'cnn\\nrm', {FORMS}",
    "crnn-lstm-16@\x1b[2J": f"unknown model 'crnn-lstm-16@\\x1b[2J', {FORMS}",
    "x" * 5000: f"unknown model '{'x' * 100}', {FORMS}",
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_names_come_back_the_same(name):
    parsed = parse(name)
    assert str(parsed) == name
    assert parse(str(parsed)) == parsed


def test_a_name_is_taken_apart():
    assert parse("ecrnn-bigru-8-16@columns") == ModelName("ecrnn", "gru", True, (8, 16), "columns")
    assert parse("crnn-rnn-4") == ModelName("crnn", "rnn", False, (4,), "flatten-hwc")
    assert parse("ecnn") == ModelName("ecnn")
    assert parse("mlp-64-squared") == ModelName("mlp", nodes=(64,), variant="squared")
    assert parse("lenet5-1998") == ModelName("lenet5", variant="1998")
    assert parse("cnn-64-32") == ModelName("cnn", nodes=(64, 32))
    assert parse("rows-bigru-8-cnn") == ModelName("rows", "gru", True, (8,), variant="cnn")
    assert parse("charlm-gru-8-9") == ModelName("charlm", "gru", False, (8, 9))
    assert parse("sentiment-cnn") == ModelName("sentiment-cnn")
    assert parse("sentiment-cnn-bilstm-8") == ModelName("sentiment-cnn", "lstm", True, (8,))
    assert parse("sentiment-parallel") == ModelName("sentiment-parallel")
    assert parse("translate-lstm-8-attention") == ModelName("translate", "lstm", False, (8,), variant="attention")


@pytest.mark.parametrize("start", [name for name, row in built_in().items() if row.default is not None])
def test_a_bare_name_stands_for_its_familys_usual_nodes(start):
    parsed, full = parse(start), "-".join(filter(None, (start, built_in()[start].default)))
    assert parsed == parse(full)
    assert str(parsed) == start
    assert bool(parsed.nodes) == bool(built_in()[start].default)


@pytest.mark.parametrize("start", [name for name, row in built_in().items() if row.example])
def test_examples_of_the_grammar_are_right(start):
    example = built_in()[start].example
    assert parse(example).family == start
    assert str(parse(example)) == example


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ecrnn-lstm-16@rows", "image-classification"),
        ("rows-gru-8-cnn", "image-classification"),
        ("parallel", "image-classification"),
        ("frames", "clip-classification"),
        ("sentiment-cnn-lstm-8", "text-classification"),
        ("charlm-rnn-8", "next-token"),
        ("translate-attention", "translation"),
        ("caption", "captioning"),
        ("ocr", "transcription"),
    ],
)
def test_tasks(name, expected):
    assert task(name) == expected


def test_every_task_has_a_model():
    assert {task(name) for name in RIGHT} == set(TASKS)


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("crnn-lstm-16@flatten-hwc", "crnn-lstm-16"),
        ("ecrnn-bigru-016-8@rows", "ecrnn-bigru-16-8@rows"),
        ("cnn-0016", "cnn-16"),
        ("mlp-128", "mlp"),
        ("mlp-128-squared", "mlp-squared"),
        ("charlm-lstm-512", "charlm"),
        ("ocr-bilstm-128", "ocr"),
        ("translate-gru-512-attention", "translate-attention"),
    ],
)
def test_two_spellings_are_one_model(name, canonical):
    assert str(parse(name)) == canonical
    assert parse(name) == parse(canonical)


@pytest.mark.parametrize("scan", SCANS)
def test_every_scan_is_taken(scan):
    assert parse(f"crnn-lstm-16@{scan}").scan == scan


@pytest.mark.parametrize("name", WRONG, ids=lambda name: ascii(name[:40]))
def test_wrong_names(name):
    with pytest.raises(EcrnnError) as error:
        parse(name)
    assert str(error.value) == WRONG[name]


def test_what_is_suggested_is_right():
    suggested = [
        line.split("mean '")[1].split("'")[0] for line in WRONG.values() if "unknown model" in line and "mean" in line
    ]
    assert len(suggested) > 10
    for name in suggested:
        parse(name)


def test_bounds_are_in():
    assert parse(f"crnn-lstm-{MAX_NODES}").nodes == (MAX_NODES,)
    assert len(parse("crnn-lstm" + "-1" * MAX_LAYERS).nodes) == MAX_LAYERS
    assert len("ecrnn-bilstm" + f"-{MAX_NODES}" * MAX_LAYERS + "@flatten-chw") <= 100
