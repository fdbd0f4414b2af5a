"""The layer table: the paper's Table 1 literally, and multiply-adds by formulas of their own."""

import pytest
import torch

from ecrnn.models.build import build, make
from ecrnn.models.names import parse
from ecrnn.models.spec import InputSpec, usual
from ecrnn.models.summary import summarise
from ecrnn.paper.printed import MODELS, TABLE_1, TABLE_1_TOTAL


def test_table_1_of_the_paper():
    summary = summarise(build("ecrnn-bilstm-16"), (3, 32, 32))
    assert [(r.area, r.layer, r.output, r.parameters) for r in summary.rows] == list(TABLE_1)
    assert len(summary.rows) == 26
    assert summary.parameters == sum(row.parameters for row in TABLE_1) == TABLE_1_TOTAL == 1_715_210
    assert summary.trainable == 1_715_210 - 2 * (32 + 64 + 128 + 256 + 512 + 256 + 512 + 1_024)


GATES = {"rnn": 1, "lstm": 4, "gru": 3}
BIASES = {"rnn": 1, "lstm": 1, "gru": 2}


def parameters(name, classes=10):
    """At 3x32x32, from the definitions."""
    model = parse(name)
    norm, dense = (lambda n: 4 * n), (lambda i, o: (i + 1) * o)
    total = sum(dense(9 * i, o) + norm(o) for i, o in ((3, 32), (32, 64), (64, 128), (128, 256)))
    if model.family.startswith("e"):
        total += sum(dense(i, o) + norm(o) for i, o in ((1024, 512), (512, 256), (256, 512), (512, 1024)))
    features, directions = {"flatten-hwc": 1, "rows": 512, "positions": 256}[model.scan], 1 + model.bidirectional
    if not model.cell:
        features = 1024
    for size in model.nodes:
        if model.cell:
            total += directions * GATES[model.cell] * size * (features + size + BIASES[model.cell])
        else:
            total += dense(features, size) + norm(size)
        features = directions * size
    return total + dense(features, classes)


@pytest.mark.parametrize(
    "name",
    [
        *MODELS,
        "ecnn",
        "cnn-1275",
        "cnn-64-32",
        "crnn-bigru-8",
        "ecrnn-birnn-4-2",
        "crnn-lstm-16@rows",
        "ecrnn-bigru-8@positions",
    ],
)
def test_parameters_by_formula(name):
    assert summarise(build(name), (3, 32, 32)).parameters == parameters(name)


def test_the_wide_control_has_the_size_of_ecrnn():
    """Of all CNNs with one hidden layer `cnn-1275` comes nearest to what ECRNN has after its CNN area."""
    area = sum(row[3] for row in TABLE_1[:14])
    assert summarise(build("ecrnn-bilstm-16"), (3, 32, 32)).parameters - area == 1_324_874
    assert summarise(build("cnn-1275"), (3, 32, 32)).parameters - area == 1_039 * 1_275 + 10 == 1_324_735
    assert abs(1_039 * 1_275 + 10 - 1_324_874) < min(abs(1_039 * n + 10 - 1_324_874) for n in (1_274, 1_276))


def test_dense_hidden_layers_are_shown():
    rows = summarise(build("cnn-64-32"), (3, 32, 32)).rows
    assert [(r.area, r.layer, r.output, r.multiply_adds) for r in rows[-6:]] == [
        ("dense", "Dense", (64,), 1024 * 64),
        ("dense", "Batch Normalization_4", (64,), 64),
        ("dense", "Dense_1", (32,), 64 * 32),
        ("dense", "Batch Normalization_5", (32,), 32),
        ("dense", "Dense_2", (10,), 320),
        ("dense", "Softmax", (10,), 0),
    ]
    assert {r.area for r in summarise(build("cnn"), (3, 32, 32)).rows} == {"CNN"}


def test_multiply_adds_by_formula():
    rows = {row.layer: row.multiply_adds for row in summarise(build("ecrnn-bilstm-16"), (3, 32, 32)).rows}
    assert rows["Conv2D"] == 32 * 32 * 9 * 3 * 32
    assert rows["Conv2D_1"] == 16 * 16 * 9 * 32 * 64
    assert rows["Conv2D_2"] == 8 * 8 * 9 * 64 * 128
    assert rows["Conv2D_3"] == 4 * 4 * 9 * 128 * 256
    assert rows["Batch Normalization"] == 32 * 32 * 32
    assert rows["Batch Normalization_7"] == 1024
    assert rows["Dense"] == 1024 * 512
    assert rows["Dense_4"] == 32 * 10
    assert rows["BiLSTM"] == 2 * 1024 * 4 * 16 * (1 + 16)
    assert sum(rows[name] for name in ("Max Pooling", "Flatten", "Reshape", "Softmax", "Input")) == 0


@pytest.mark.parametrize(
    ("name", "steps", "features"),
    [("crnn-gru-8-4", 1024, 1), ("crnn-bigru-8-4@rows", 2, 512), ("crnn-rnn-8-4@positions", 4, 256)],
)
def test_multiply_adds_of_stacked_recurrence(name, steps, features):
    model = parse(name)
    directions, gates = 1 + model.bidirectional, GATES[model.cell]
    expected = steps * directions * gates * (8 * (features + 8) + 4 * (directions * 8 + 4))
    summary = summarise(build(name), (3, 32, 32))
    assert sum(row.multiply_adds for row in summary.rows if model.cell.upper() in row.layer) == expected
    assert summary.multiply_adds == sum(row.multiply_adds for row in summary.rows)


def test_stacked_layers_and_scans_are_named():
    rows = summarise(build("crnn-bigru-8-4@rows"), (3, 32, 32)).rows
    assert [(r.layer, r.output) for r in rows[-5:]] == [
        ("Reshape (rows)", (2, 512)),
        ("BiGRU", (2, 16)),
        ("BiGRU_1", (8,)),
        ("Dense", (10,)),
        ("Softmax", (10,)),
    ]


def test_the_model_is_left_as_it_was():
    network = build("ecrnn-lstm-4", (1, 9, 12), 3)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    summary = summarise(network, (1, 9, 12))
    assert network.training
    assert not any(m._forward_hooks for m in network.modules())
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert summary.rows[0].output == (9, 12, 1)
    assert summary.rows[-1].output == (3,)
    assert summarise(network.eval(), (1, 9, 12)) == summary
    assert not network.training


PUBLISHED = {
    # name, classes, parameters of the layers, total. LeNet-5: section II-B of LeCun et al. 1998, where 60,000 are below
    # the output; 61,706 is the figure of the form with a whole C3. AlexNet: the figure of the grouped form.
    "lenet5": (10, (156, 2416, 48120, 10164, 850), 61_706),
    "lenet5-1998": (10, (156, 12, 1516, 32, 48120, 10164, 850), 60_000 + 850),
    "alexnet": (1000, (34944, 307456, 885120, 663936, 442624, 37752832, 16781312, 4097000), 60_965_224),
    "mlp": (10, ((3 * 32 * 32 + 1) * 128, 129 * 10), 3073 * 128 + 1290),
}
MULTIPLY_ADDS = {
    "lenet5": 28 * 28 * 25 * 6 + 10 * 10 * 25 * 6 * 16 + 400 * 120 + 120 * 84 + 840,
    "lenet5-1998": 28 * 28 * 25 * 6 + 14 * 14 * 6 + 10 * 10 * 25 * 60 + 25 * 16 + 400 * 120 + 120 * 84 + 840,
    "alexnet": 724_406_816,  # the known 724 million of the grouped form
    "mlp": 3072 * 128 + 1280,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_counts(name: str) -> None:
    classes, layers, total = PUBLISHED[name]
    image = usual(parse(name)).image
    summary = summarise(build(name, image, classes), image)
    assert tuple(row.parameters for row in summary.rows if row.parameters) == layers
    assert summary.parameters == summary.trainable == total
    assert summary.multiply_adds == MULTIPLY_ADDS[name]


def test_the_layers_of_1998_in_the_table() -> None:
    rows = summarise(build("lenet5-1998", (1, 32, 32)), (1, 32, 32)).rows
    assert [(row.area, row.layer, row.output) for row in rows] == [
        ("CNN", "Input", (32, 32, 1)),
        ("CNN", "Conv2D", (28, 28, 6)),
        ("CNN", "Subsampling", (14, 14, 6)),
        ("CNN", "Conv2D (table)", (10, 10, 16)),
        ("CNN", "Subsampling_1", (5, 5, 16)),
        ("CNN", "Flatten", (400,)),
        ("dense", "Dense", (120,)),
        ("dense", "Dense_1", (84,)),
        ("dense", "Dense_2", (10,)),
        ("dense", "Softmax", (10,)),
    ]


@pytest.mark.parametrize(("name", "last"), [("mlp", "Softmax"), ("mlp-squared", "Sigmoid")])
def test_the_table_of_an_mlp(name: str, last: str) -> None:
    rows = summarise(build(name, (1, 8, 8), 3), (1, 8, 8)).rows
    assert [(row.area, row.layer) for row in rows] == [
        ("dense", kind) for kind in ("Input", "Flatten", "Dense", "Dense_1", last)
    ]


def test_the_table_of_a_character_model() -> None:
    """Of a text of 32 ids."""
    rows = summarise(build("charlm-gru-8-5", tokens=11), InputSpec(tokens=11), parse("charlm")).rows
    assert [(row.area, row.layer, row.output, row.parameters, row.multiply_adds) for row in rows] == [
        ("embedding", "Input", (32,), 0, 0),
        ("embedding", "Embedding", (32, 64), 11 * 64, 0),
        ("RNN", "GRU", (32, 8), 3 * 8 * (64 + 8 + 2), 32 * 3 * 8 * (64 + 8)),
        ("RNN", "GRU_1", (32, 5), 3 * 5 * (8 + 5 + 2), 32 * 3 * 5 * (8 + 5)),
        ("RNN", "Dense", (32, 11), 6 * 11, 32 * 5 * 11),
        ("RNN", "Softmax", (32, 11), 0, 0),
    ]


def test_the_table_of_convolutions_over_words() -> None:
    rows = summarise(
        build("sentiment-cnn-lstm-8", tokens=9, classes=2), InputSpec(tokens=9, classes=2), parse("sentiment")
    ).rows
    assert [(row.area, row.layer, row.output, row.parameters, row.multiply_adds) for row in rows[2:5]] == [
        ("CNN", "Conv1D", (32, 100), 385 * 100, 32 * 384 * 100),
        ("RNN", "LSTM", (32, 8), 4 * 8 * (100 + 8 + 1), 32 * 4 * 8 * (100 + 8)),
        ("RNN", "Dense", (2,), 18, 16),
    ]


def test_the_table_of_an_encoder_decoder() -> None:
    sizes = InputSpec(tokens=11, source_tokens=9)
    rows = summarise(make(parse("translate-lstm-8-attention"), sizes), sizes, parse("translate-lstm-8-attention")).rows
    assert [(row.area, row.layer, row.output) for row in rows] == [
        ("encoder", "Input", (32,)),
        ("encoder", "Input", (32,)),
        ("encoder", "Embedding", (32, 256)),
        ("encoder", "BiLSTM", (32, 16)),
        ("encoder", "Dense", (8,)),
        ("encoder", "Dense_1", (8,)),
        ("decoder", "Embedding_1", (32, 256)),
        ("decoder", "LSTM", (32, 8)),
        ("attention", "Dense_2", (32, 16)),
        ("attention", "Attention", (32, 16)),
        ("decoder", "Dense_3", (32, 512)),
        ("decoder", "Dense_4", (32, 11)),
        ("decoder", "Softmax", (32, 11)),
    ]
    assert rows[9].multiply_adds == 2 * 32 * 32 * 16
    assert summarise(make(parse("translate-lstm-8"), sizes), sizes, parse("translate")).rows[3].output == (
        16,
    )  # the last states alone


def test_the_cnn_of_a_clip_works_on_every_frame() -> None:
    sizes = InputSpec((1, 16, 16), 3, frames=5)
    rows = summarise(make(parse("frames-gru-8"), sizes), sizes, parse("frames")).rows
    assert rows[0].output == (5, 16, 16, 1)
    assert (rows[1].layer, rows[1].output, rows[1].multiply_adds) == ("Conv2D", (16, 16, 32), 5 * 16 * 16 * 9 * 32)


@pytest.mark.parametrize("name", ["charlm", "sentiment", "sentiment-parallel", "translate", "caption-attention", "ocr"])
def test_every_parameter_is_in_a_row(name: str) -> None:
    network = make(parse(name), usual(parse(name)))
    summary = summarise(network, usual(parse(name)), parse(name))
    statistics = sum(b.numel() for key, b in network.named_buffers() if "running" in key)
    assert summary.parameters == sum(p.numel() for p in network.parameters()) + statistics
    assert summary.trainable == summary.parameters - statistics
    assert network.training
