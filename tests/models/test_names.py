"""The grammar of model names: every right form, and for each wrong one the sentence a user reads."""

import itertools

import pytest

from ecrnn.core.errors import EcrnnError
from ecrnn.layers.orders import SCANS
from ecrnn.models.names import CELLS, FAMILIES, MAX_LAYERS, MAX_NODES, PAPER_MODELS, ModelName, parse

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
RIGHT = ["cnn", "cnn-1275", "cnn-1-4096-7", "cnn-1-2-3-4-5-6-7-8", "ecnn", *CLASSICS] + [
    f"{family}-{cell}-{nodes}{scan}"
    for family, cell, nodes, scan in itertools.product(
        ("crnn", "ecrnn"), CELLS, ("1", "16", "32-32", "4096", "1-2-3-4-5-6-7-8"), ("", "@rows", "@random")
    )
]

NODES = "nodes must be whole numbers from 1 to 4096, as in crnn-lstm-16-16"
HIDDEN = "nodes must be whole numbers from 1 to 4096, as in mlp-64"
DENSE = "nodes must be whole numbers from 1 to 4096, as in cnn-1275"
FORMS = "names are cnn, cnn-<nodes>, ecnn, crnn-<cell>-<nodes>, ecrnn-<cell>-<nodes>, mlp, lenet5, alexnet"
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
    "ecrnn-bilstm": f"model 'ecrnn-bilstm': {NODES}",
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
    "crnn-lstm-16@": f"unknown scan '', {ALL_SCANS} (model crnn-lstm-16)",
    "crnn-lstm-16@colums": "unknown scan 'colums', did you mean 'columns'? (model crnn-lstm-16)",
    "ecrnn-gru-8-8@ROWS": "unknown scan 'ROWS', did you mean 'rows'? (model ecrnn-gru-8-8)",
    "crnn-lstm-16@zigzag": f"unknown scan 'zigzag', {ALL_SCANS} (model crnn-lstm-16)",
    "crnn-lstm-16@rows@rows": "unknown scan 'rows@rows', did you mean 'rows'? (model crnn-lstm-16)",
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
    assert parse("mlp-64-squared") == ModelName("mlp", nodes=(64,), form="squared")
    assert parse("lenet5-1998") == ModelName("lenet5", form="1998")
    assert parse("cnn-64-32") == ModelName("cnn", nodes=(64, 32))


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("crnn-lstm-16@flatten-hwc", "crnn-lstm-16"),
        ("ecrnn-bigru-016-8@rows", "ecrnn-bigru-16-8@rows"),
        ("cnn-0016", "cnn-16"),
        ("mlp-128", "mlp"),
        ("mlp-128-squared", "mlp-squared"),
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


def test_the_papers_models():
    assert len(PAPER_MODELS) == len(set(PAPER_MODELS)) == 17
    assert all(str(parse(name)) == name for name in PAPER_MODELS)
    assert {parse(name).family for name in PAPER_MODELS} == {"cnn", "crnn", "ecrnn"} < set(FAMILIES)
    assert {parse(name).nodes for name in PAPER_MODELS} == {(), (16,), (32,), (16, 16), (32, 32)}
