"""The grammar of model names: every right form, and for each wrong one the sentence a user reads."""

import itertools

import pytest

from ecrnn.core.errors import EcrnnError
from ecrnn.core.tasks import TASKS
from ecrnn.layers.orders import SCANS
from ecrnn.models.family import CELLS, MAX_LAYERS, MAX_NODES, ONE_WAY
from ecrnn.models.names import ModelName, parse
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
        (CELLS, ("1", "4096", "1-2-3-4-5-6-7-8"), ("sentiment", "ocr", "sequence", "sequence-cnn")),
        (ONE_WAY, ("1", "4096", "1-2-3-4-5-6-7-8"), ("charlm",)),
        (ONE_WAY, ("1", "33"), ("translate", "caption")),
    ]
    for start, cell, nodes in itertools.product(starts, cells, layers)
    for end in ("", *built_in()[start].suffixes)
]

NODES = "nodes must be whole numbers from 1 to 4096, as in"
FORMS = "names are " + ", ".join(
    f"{name}-<cell>-<nodes>" if name in ("crnn", "ecrnn", "rows") else name for name in built_in()
)
ALL_SCANS = "known are columns, flatten-chw, flatten-hwc, positions, random, rows"

MEANT = {  # "unknown model ..., did you mean ...?"
    "CNN": "cnn",
    " cnn": "cnn",
    "cnnn": "cnn",
    "cnn-lstm-16": "crnn-lstm-16",
    "cnn-wide": "cnn-16",
    "cn-1275": "cnn-1275",
    "CNN-12-34": "cnn-12-34",
    "crnn-lsmt-16": "crnn-lstm-16",
    "crnn-bilsmt-32-32": "crnn-bilstm-32-32",
    "crnn-lsmt-16@rows": "crnn-lstm-16@rows",
    "crnn-lsmt-9999": "crnn-lstm-16",
    "crnn-lsmt-²": "crnn-lstm-16",
    "crnn-bi-16": "crnn-birnn-16",
    "ecrn-bilstm-16": "ecrnn-bilstm-16",
    "ECRNN-BILSTM-16": "ecrnn-bilstm-16",
    "ecrnn_bilstm_16": "ecrnn-bilstm-16",
    "lstm-16": "crnn-lstm-16",
    "mlp-64-sqared": "mlp-64-squared",
    "mlp-squared-64": "mlp-squared",
    "MLP-64": "mlp-64",
    "lenet": "lenet5",
    "lenet-5": "lenet5",
    "lenet5-": "lenet5",
    "lenet5-1989": "lenet5-1998",
    "alexnet-16": "alexnet",
    "AlexNet": "alexnet",
    "alexnet-lrn-1998": "alexnet-lrn",
    "crnn-lstm-16-x": "crnn-lstm-16",
    "lstm": "crnn-lstm-16",
    "bigru-8@rows": "crnn-bigru-8@rows",
    "rows-lstm-64-cn": "rows-lstm-64-cnn",
    "parallel-lstm-32": "parallel-32",
    "charlm-": "charlm",
    "CharLM": "charlm",
    "char-lstm-64": "charlm-lstm-64",
    "sentimental": "sentiment",
    "sentiment-paralel": "sentiment-parallel",
    "translate-gru-64-atention": "translate-gru-64-attention",
    "captoin": "caption",
    "ocr-lsmt-8": "ocr-lstm-8",
}
WRONG_PART = {  # "model ...: " and this
    NODES: (
        "cnn- cnn-0 cnn-4097 cnn-16- cnn--16 cnn-1.5 ecrnn-bilstm crnn-lstm- crnn-lstm-16- crnn-lstm--16 "
        "crnn-lstm-0 crnn-lstm-4097 crnn-lstm-16-0 crnn-lstm-1.5 crnn-lstm-+4 crnn-lstm-1_0 "
        "crnn-lstm-1e1 crnn-lstm-１６ crnn-lstm-² crnn-lstm-99999999999999999999 mlp- mlp-0 "
        "mlp-4097-squared charlm-lstm"
    ),
    "at most 8 dense hidden layers, not 9": "cnn-1-1-1-1-1-1-1-1-1",
    "cnn takes no scan, write 'cnn'": "cnn@rows cnn@",
    "cnn takes no scan, write 'cnn-1275'": "cnn-1275@rows",
    "ecnn takes no cell, nodes or scan, write 'ecnn'": "ecnn-16 ecnn-",
    "cell and nodes are missing, as in crnn-bilstm-16": "crnn crnn@rows",
    "cell and nodes are missing, as in ecrnn-bilstm-16": "ecrnn ecrnn-",
    "at most 8 recurrent layers, not 9": "crnn-rnn-1-1-1-1-1-1-1-1-1",
    "at most 1 hidden layer, not 2": "mlp-64-32",
    "mlp takes no scan, write 'mlp'": "mlp@rows",
    "mlp takes no scan, write 'mlp-64-squared'": "mlp-64-squared@",
    "lenet5 takes no scan, write 'lenet5'": "lenet5@rows",
    "the cell is missing, as in crnn-bilstm-16": "crnn-16",
    "cell and nodes are missing, as in rows-bilstm-16": "rows",
    "at most 1 recurrent layer, not 2": "rows-lstm-64-64 sentiment-cnn-lstm-8-8 translate-gru-64-64",
    "rows takes no scan, write 'rows-lstm-64'": "rows-lstm-64@rows",
    "the cell is missing, as in charlm-lstm-512": "charlm-512",
    "charlm reads in one direction, as in charlm-lstm-16": "charlm-bilstm-16",
    "charlm takes no scan, write 'charlm'": "charlm@rows",
    "the cell is missing, as in sentiment-cnn-bilstm-64": "sentiment-cnn-64",
    "sentiment-parallel takes no cell, nodes or scan, write 'sentiment-parallel'": "sentiment-parallel-16",
    "caption reads in one direction, as in caption-gru-8": "caption-bigru-8",
}
WRONG = {
    "": f"unknown model '', {FORMS}",
    "vgg16": f"unknown model 'vgg16', {FORMS}",
    "../../etc/passwd": f"unknown model '../../etc/passwd', {FORMS}",
    "crnn-lstm-16@": f"unknown scan '', {ALL_SCANS} (model crnn-lstm-16)",
    "crnn-lstm-16@colums": "unknown scan 'colums', did you mean 'columns'? (model crnn-lstm-16)",
    "ecrnn-gru-8-8@ROWS": "unknown scan 'ROWS', did you mean 'rows'? (model ecrnn-gru-8-8)",
    "crnn-lstm-16@zigzag": f"unknown scan 'zigzag', {ALL_SCANS} (model crnn-lstm-16)",
    "crnn-lstm-16@rows@rows": f"unknown scan 'rows@rows', {ALL_SCANS} (model crnn-lstm-16)",
    "cnn\nrm": f"unknown model 'cnn\\nrm', {FORMS}",
    "crnn-lstm-16@\x1b[2J": f"unknown model 'crnn-lstm-16@\\x1b[2J', {FORMS}",
    "x" * 5000: f"unknown model '{'x' * 100}', {FORMS}",
}


@pytest.mark.sampled(most=60)
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
    assert parse(name).task.name == expected


def test_every_task_has_a_model():
    assert {parse(name).task.name for name in RIGHT} == set(TASKS)


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


def refusal(name):
    with pytest.raises(EcrnnError) as error:
        parse(name)
    return str(error.value)


@pytest.mark.parametrize("name", MEANT)
def test_the_nearest_name_is_suggested(name):
    assert refusal(name) == f"unknown model '{name}', did you mean '{MEANT[name]}'?"


@pytest.mark.parametrize(
    ("name", "line"), [(name, line) for line, names in WRONG_PART.items() for name in names.split()]
)
def test_what_is_wrong_in_a_name_is_said(name, line):
    assert refusal(name).startswith(f"model '{name}': {line}")


@pytest.mark.parametrize("name", WRONG, ids=lambda name: ascii(name[:40]))
def test_wrong_names(name):
    assert refusal(name) == WRONG[name]


def test_what_is_suggested_is_right():
    for name in MEANT.values():
        parse(name)


def test_bounds_are_in():
    assert parse(f"crnn-lstm-{MAX_NODES}").nodes == (MAX_NODES,)
    assert len(parse("crnn-lstm" + "-1" * MAX_LAYERS).nodes) == MAX_LAYERS
    assert len("ecrnn-bilstm" + f"-{MAX_NODES}" * MAX_LAYERS + "@flatten-chw") <= 100
