"""Rows of families: those of ecrnn's own files, and those that somebody else registers."""

from __future__ import annotations

from functools import partial
from importlib import import_module, metadata
from pathlib import Path

import pytest
import torch
from torch import nn

import ecrnn
from ecrnn.core.errors import EcrnnError
from ecrnn.core.tasks import TASKS
from ecrnn.models import registry
from ecrnn.models.build import build, make
from ecrnn.models.names import parse
from ecrnn.models.registry import built_in, find, register, rows_in
from ecrnn.models.spec import InputSpec
from ecrnn.models.summary import summarise

SPEC = InputSpec((1, 8, 8), 3)


@pytest.fixture(autouse=True)
def _forgets(monkeypatch):
    """What a test registers is gone after it."""
    monkeypatch.setattr(registry, "_registered", {})


@pytest.mark.parametrize("name", built_in())
def test_what_is_read_from_the_source_is_what_importing_registers(name, monkeypatch):
    """`register` itself compares the two; a row that differs cannot be imported."""
    row = built_in()[name]
    module, _, attribute = str(row.target).partition(":")
    assert row.builder is getattr(import_module(module), attribute)
    changed = {**built_in(), name: find("ecnn" if name != "ecnn" else "cnn")}
    monkeypatch.setattr(registry, "built_in", lambda: changed)
    with pytest.raises(AssertionError, match=f"the row of {name} should be made of literals"):
        register(name, task=row.task)(row.builder)


def test_every_model_file_registers_and_every_task_has_families():
    package = Path(ecrnn.__file__).parent
    registering = {path for path in package.rglob("*.py") if "\n@register(" in path.read_text()}
    modules = {str(row.target).split(":")[0] for row in built_in().values()}
    assert {package.parent / f"{module.replace('.', '/')}.py" for module in modules} == registering
    assert {row.task for row in built_in().values()} == set(TASKS)


MINE = '@register("mine", task="captioning", min_side=SIDE)\nclass Mine: ...\n'


def test_an_argument_may_be_the_name_of_a_literal(tmp_path):
    (tmp_path / "mine.py").write_text(f"SIDE = 24\n\n{MINE}")
    [row] = rows_in(tmp_path / "mine.py", tmp_path)
    assert (row.name, row.min_side) == ("mine", 24)


@pytest.mark.parametrize("before", ["SIDE = max(8, 24)\n", "from elsewhere import SIDE\n"])
def test_a_file_with_no_literal_says_so(tmp_path, before):
    (tmp_path / "mine.py").write_text(f"{before}\n{MINE}")
    with pytest.raises(ValueError, match="malformed node"):
        rows_in(tmp_path / "mine.py", tmp_path)


def linear(name: str = "linear", **facts):
    @register(name, **{"task": "image-classification", **facts})
    class Linear(nn.Sequential):
        def __init__(self, spec, *, bias: bool = True, width: int = 4, scale: float = 1.0, kind: str = "relu"):
            channels, height, width_of_image = spec.image
            features = channels * height * width_of_image
            super().__init__(nn.Flatten(), nn.Linear(features, width, bias), nn.Linear(width, spec.classes))

    return Linear


def test_a_class_of_somebody_else_is_a_model():
    kind = linear(bounds={"width": (1, 9)})
    network = build("linear+width=5+bias=false", (1, 8, 8), 3, seed=1)
    assert type(network) is kind
    assert network[1].weight.shape == (5, 64)
    assert network[1].bias is None
    again, other = (build("linear+bias=false+width=5", (1, 8, 8), 3, seed=seed) for seed in (1, 2))
    assert torch.equal(network[1].weight, again[1].weight)
    assert not torch.equal(network[1].weight, other[1].weight)
    assert network[1].weight.abs().max() <= 1 / 8, "torch's own initialisation stays"
    assert find("linear").source is not None


def test_a_function_with_the_grammar_of_names_is_a_model():
    @register(
        "wide", task="image-classification", default="gru-8", cells="any", layers=2, suffixes=("deep",), scans=True
    )
    def build_wide(name, spec):
        network = nn.Sequential(nn.Flatten(), nn.Linear(64, spec.classes))
        network.name = name
        return network

    assert str(make(parse("wide-bilstm-4-5-deep@rows"), SPEC).name) == "wide-bilstm-4-5-deep@rows"
    assert str(make(parse("wide"), SPEC).name) == "wide"
    with pytest.raises(EcrnnError, match="at most 2 recurrent layers, not 3"):
        parse("wide-gru-1-2-3")


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("linear+width=4", "linear"),
        ("linear+width=007+bias=False", "linear+bias=false+width=7"),
        ("linear+scale=1e3", "linear+scale=1000.0"),
        ("linear+scale=1E20", "linear+scale=1e20"),
        ("linear+kind=gelu", "linear+kind=gelu"),
    ],
)
def test_options_are_written_in_one_way(name, canonical):
    linear()
    assert str(parse(name)) == canonical
    assert parse(name) == parse(canonical)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("linear+widht=5", r"unknown option 'widht', did you mean 'width'\? \(model linear\)"),
        ("linear+width=0", "model 'linear': width is 1 to 9, not 0"),
        ("linear+width=x", r"model 'linear': width is a whole number, as in \+width=4, not 'x'"),
        ("linear+bias=1", r"model 'linear': bias is true or false, as in \+bias=true, not '1'"),
        ("linear+scale=nan", r"model 'linear': scale is a number, as in \+scale=1.0, not 'nan'"),
        ("linear+kind=../..", r"model 'linear': kind is letters and numbers, as in \+kind=relu, not '../..'"),
        ("linear+width", r"model 'linear\+width': write an option once, as in linear\+width=value"),
        ("linear+width=1+width=2", r".*: write an option once, as in linear\+width=value"),
        ("linear-16", "model 'linear-16': linear takes no cell, nodes or scan, write 'linear'"),
        ("cnn+width=5", r"model 'cnn\+width=5': cnn has no options"),
        ("linaer", "unknown model 'linaer', did you mean 'linear'?"),
    ],
)
def test_wrong_options_are_one_line(name, line):
    linear(bounds={"width": (1, 9)})
    with pytest.raises(EcrnnError, match=f"^{line}"):
        parse(name)


@pytest.mark.parametrize(
    ("facts", "line"),
    [
        ({"name": "Linear"}, "model 'Linear': a name is lower-case words"),
        ({"name": "a/b"}, "model 'a/b': a name is lower-case words"),
        ({"name": "cnn"}, "model 'cnn': there is a model of this name already"),
        ({"task": "image-clasification"}, "unknown task 'image-clasification', did you mean 'image-classification'"),
        ({"min_side": 4}, "model 'linear': min_side is 8 to 1024 pixels, not 4"),
        ({"cells": "all"}, "model 'linear': cells should be 'any', 'one-way' or ''"),
        ({"bounds": {"with": (1, 2)}}, "unknown option 'with', did you mean 'width'"),
        ({"bounds": {"width": (5, 9)}}, "model 'linear': width is 5 to 9, not 4"),
        ({"recipe": {"epoch": 3}}, "unknown setting 'epoch', did you mean 'epochs'"),
        ({"recipe": {"epochs": 0}}, "epochs: input should be greater than or equal to 1, not 0"),
    ],
)
def test_wrong_rows_are_one_line(facts, line):
    with pytest.raises(EcrnnError, match=f"^{line}"):
        linear(**facts)


@pytest.mark.parametrize(
    ("target", "line"),
    [
        (lambda: nn.Linear(1, 1), "model 'mine': it should take spec, and options by keyword only"),
        (lambda spec, width: None, "model 'mine': it should take spec, .*, not spec, width"),
        (lambda spec, *, width: None, "model 'mine': option width needs a default"),
        (lambda spec, *, width=(1, 2): None, "model 'mine': option width needs a default"),
        (7, "model 'mine': register decorates a class or a function, not 7"),
    ],
)
def test_what_cannot_build_networks_is_one_line(target, line):
    with pytest.raises(EcrnnError, match=f"^{line}"):
        register("mine", task="captioning")(target)


def test_other_packages_bring_families(monkeypatch, tmp_path):
    (tmp_path / "plugin.py").write_text(
        "from torch import nn\nfrom ecrnn.models.registry import register\n"
        '@register("cnn-deep", task="image-classification")\n'
        "class Deep(nn.Module):\n    def __init__(self, spec): ...\n"
    )
    (tmp_path / "plug-1.dist-info").mkdir()
    (tmp_path / "plug-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: plug\nVersion: 1\n")
    (tmp_path / "plug-1.dist-info" / "entry_points.txt").write_text(
        "[ecrnn.models]\ncnn-deep = plugin\nbroken = nowhere\nsilent = json\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    registry._plugins.cache_clear()
    try:
        assert {point.name for point in metadata.entry_points(group="ecrnn.models")} >= {"cnn-deep", "broken"}
        assert parse("cnn-deep").family == "cnn-deep"
        assert parse("cnn").family == "cnn"
        with pytest.raises(EcrnnError, match=r"^model 'broken' of plug \(nowhere\) cannot be imported: ModuleNotFound"):
            parse("broken")
        with pytest.raises(EcrnnError, match=r"^model 'silent' of plug \(json\) does not register 'silent'"):
            parse("silent")
    finally:
        registry._plugins.cache_clear()


def test_the_table_of_a_network_that_ecrnn_does_not_know():
    @register("odd", task="image-classification", areas={"body": "backbone"})
    class Odd(nn.Module):
        def __init__(self, spec):
            super().__init__()
            self.body = nn.LSTM(8, 5, batch_first=True)
            self.scale = nn.Parameter(torch.ones(5))
            self.norm = nn.LayerNorm(5)
            self.out = nn.Linear(5, spec.classes)

        def forward(self, x):
            outputs, _ = self.body(x[:, 0])
            state = self.norm(self.norm(outputs[:, -1])) * self.scale
            return nn.functional.linear(state, self.out.weight, self.out.bias)

    network = make(parse("odd"), SPEC)
    summary = summarise(network, SPEC, parse("odd"))
    assert summary.parameters == summary.trainable == sum(p.numel() for p in network.parameters())
    assert [row.area for row in summary.rows][:2] == ["backbone", "backbone"]
    assert next(row for row in summary.rows if row.layer == "LSTM").multiply_adds == 8 * 4 * 5 * (8 + 5)
    assert summary.uncounted == ("Odd", "Dense")


def build_flat(spec, *, width: int = 4):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, spec.classes))


def closing_over(width):
    def build(spec):
        return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.Linear(width, spec.classes))

    return build


def test_two_functions_of_one_file_are_two_models():
    """By its digest a study knows a function again: its own lines, what it closes over, what a partial was given."""
    functions = [
        build_flat,
        closing_over(4),
        closing_over(5),
        partial(build_flat, width=5),
        partial(build_flat, width=6),
    ]
    digests = []
    for function in functions:
        register("mine", task="image-classification")(function)
        digests.append(find("mine").source.sha256)
    assert len(set(digests)) == len(functions)
    register("mine", task="image-classification")(closing_over(4))
    assert find("mine").source.sha256 == digests[1]
    with pytest.raises(EcrnnError, match="it closes over width, a object, by which a study cannot know it again"):
        register("mine", task="image-classification")(closing_over(object()))


def test_weights_that_layers_share_count_once():
    @register("tied", task="image-classification")
    class Tied(nn.Module):
        def __init__(self, spec):
            super().__init__()
            self.first, self.one, self.two = nn.Linear(64, 8), nn.Linear(8, 8), nn.Linear(8, 8)
            self.two.weight = self.one.weight
            self.head = nn.Linear(8, spec.classes)

        def forward(self, x):
            return self.head(self.two(self.one(self.first(x.flatten(1)))))

    summary = summarise(make(parse("tied"), SPEC), SPEC, parse("tied"))
    assert summary.parameters == summary.trainable == 65 * 8 + 64 + 8 + 8 + 9 * 3
