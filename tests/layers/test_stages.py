"""A stage's kernels against the modules one by one: values, all gradients, running statistics, odd sizes, threads."""

import itertools

import pytest
import torch
from oracles import compare, fresh_memory_is_nan, tolerance
from torch import nn

from ecrnn.layers import stages
from ecrnn.layers.areas import ConvolutionArea, convolution_stage, dense_stage
from ecrnn.layers.freezing import freeze

needs_kernels = pytest.mark.skipif(stages.kernels is None, reason="the C++ extension ecrnn.layers._cpu is not built")

MAPS = [  # (B, C, H, W), pooled or not; odd sides, one window, one row, more rows of windows than chunks of work
    ((3, 16, 5, 7), True),
    ((2, 32, 8, 8), True),
    ((1, 80, 3, 2), True),
    ((2, 16, 1, 6), False),
    ((5, 48, 4, 3), False),
    ((9, 64, 17, 2), True),
    ((128, 96), False),
    ((3, 16), False),  # with two rows the gradient cancels, and the modules too keep no digits of it
]


@pytest.fixture
def without_kernels(monkeypatch):
    monkeypatch.setattr(stages, "kernels", None)


def normalised(shape):
    """A normalisation with weights of both signs; a layer's values, of which half are under 0, and a cotangent."""
    torch.manual_seed(1)
    normalisation = (stages.BatchNorm2d if len(shape) == 4 else stages.BatchNorm1d)(shape[1])
    with torch.no_grad():
        normalisation.weight.normal_()
        normalisation.bias.normal_()
    values = torch.randn(shape) * 3 + torch.linspace(-1, 4, shape[1]).reshape(-1, *[1] * (len(shape) - 2))
    return normalisation, values.to(memory_format=torch.channels_last) if len(shape) == 4 else values


class _Given(nn.Module):
    """In the place of a stage's layer: gives its values."""

    def __init__(self, values):
        super().__init__()
        self.values = values.clone().requires_grad_()  # keeps its layout

    def forward(self, _):
        return self.values


def stage_of(kind, layer, normalisation, pool):
    pooling = [nn.MaxPool2d(2)] if pool else []
    if kind is stages.Stage:
        return kind(layer, nn.ReLU(), normalisation, *pooling)
    return kind(layer, *pooling, normalisation, nn.GELU("tanh"))


def everything(kind, normalisation, values, pool):
    """Value, gradients and running statistics of a stage in training."""
    layer = _Given(values)
    stage = stage_of(kind, layer, normalisation, pool).train()
    normalisation.zero_grad()
    out = stage(torch.empty(0))
    cotangent = torch.randn(out.shape, generator=torch.Generator().manual_seed(2)).bfloat16().to(out.dtype)
    out.backward(cotangent)
    return {
        "out": out,
        "d_values": layer.values.grad,
        **{f"d_{name}": p.grad.clone() for name, p in normalisation.named_parameters()},
        **{name: b.clone() for name, b in normalisation.named_buffers()},
    }


def expected_of(kind, shape, pool, monkeypatch, **options):
    """The same by torch's modules in float64."""
    with monkeypatch.context() as patch:
        patch.setattr(stages, "kernels", None)
        normalisation, values = normalised(shape)
        return everything(kind, normalisation.double(), values.to(**options).double(), pool)


both_kinds = pytest.mark.parametrize("kind", [stages.Stage, stages.GeluStage])
ONE_WINDOW = ((1, 80, 3, 2), True)  # which a GELU stage cannot normalise
every_map = pytest.mark.parametrize(
    ("kind", "shape", "pool"),
    [
        (kind, *case)
        for kind in (stages.Stage, stages.GeluStage)
        for case in MAPS
        if kind is stages.Stage or case != ONE_WINDOW
    ],
)


@needs_kernels
@every_map
def test_float32_is_the_modules(kind, shape, pool, monkeypatch):
    with fresh_memory_is_nan():
        made = everything(kind, *normalised(shape), pool)
    compare(expected_of(kind, shape, pool, monkeypatch), made, tolerance("float32"))


@needs_kernels
@every_map
def test_bfloat16_rounds_only_what_goes_in_and_out(kind, shape, pool, monkeypatch):
    normalisation, values = normalised(shape)
    made = everything(kind, normalisation, values.bfloat16(), pool)
    assert made["out"].dtype == made["d_values"].dtype == torch.bfloat16
    with monkeypatch.context() as patch:
        patch.setattr(stages, "kernels", None)
        normalisation, values = normalised(shape)
        expected = everything(kind, normalisation.double(), values.bfloat16().double(), pool)
    half = dict.fromkeys(("out", "d_values"), 2.0 ** (-8))  # half a unit in the last place
    for name, tensor in made.items():
        compare({name: expected[name]}, {name: tensor}, half.get(name, 0) + 1e-5)


@needs_kernels
@both_kinds
@pytest.mark.parametrize("instructions", ["avx512", "avx2", "portable"])
@pytest.mark.parametrize(("shape", "pool"), MAPS[:1] + MAPS[4:5])
def test_every_instruction_set(kind, shape, pool, instructions, monkeypatch):
    if instructions not in stages.kernels.instructions():
        pytest.skip(f"this machine has no {instructions}")
    kernels = stages.kernels

    class Named:
        def forward(*arguments, gelu):
            kernels.forward(*arguments, instructions, gelu)

        def backward(*arguments, gelu):
            kernels.backward(*arguments, instructions, gelu)

    expected = expected_of(kind, shape, pool, monkeypatch)
    monkeypatch.setattr(stages, "kernels", Named)
    compare(expected, everything(kind, *normalised(shape), pool), tolerance("float32"))


@needs_kernels
def test_large_mean_and_small_spread(monkeypatch):
    """Sums of squares around 0 would lose every digit of the variance."""
    normalisation = stages.BatchNorm2d(16)
    values = (1e3 + 0.1 * torch.randn(8, 16, 6, 6)).to(memory_format=torch.channels_last)
    stages.Stage(_Given(values), nn.ReLU(), normalisation)(None)
    variance = values.double().var((0, 2, 3), unbiased=True)
    torch.testing.assert_close(normalisation.running_var.double(), variance, rtol=1e-5, atol=0)


@needs_kernels
@both_kinds
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_same_bits_for_any_threads(kind, dtype):
    torch.manual_seed(0)
    normalisation, values = normalised((70, 32, 9, 5))
    made = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            normalisation.reset_running_stats()
            made.append(everything(kind, normalisation, values.to(dtype), True))
    finally:
        torch.set_num_threads(before)
    for other in made[1:]:
        assert all(torch.equal(made[0][name], other[name]) for name in other)


@needs_kernels
@both_kinds
def test_first_of_equal_values_gets_the_gradient(kind):
    values = torch.ones(1, 16, 2, 4).to(memory_format=torch.channels_last)
    values[..., 2:] = torch.tensor([[1.0, 2.0], [2.0, 0.5]])
    normalisation = stages.BatchNorm2d(16)
    layer = _Given(values)
    stage_of(kind, layer, normalisation, True)(None).sum().backward()
    flat = layer.values.grad[0, 0]
    assert flat[0, 0] != flat[0, 1] == flat[1, 0] == flat[1, 1]  # all four are 1
    assert flat[0, 3] != flat[1, 2]  # both are 2


@needs_kernels
@both_kinds
def test_not_a_number_stays(kind):
    normalisation, values = normalised((2, 16, 4, 4))
    values[1, 3, 2, 2] = float("nan")
    made = everything(kind, normalisation, values, True)
    assert made["out"][:, 3].isnan().all()
    assert not made["out"][:, :3].isnan().any()


@needs_kernels
@both_kinds
@pytest.mark.parametrize("shape", [(2, 24, 4, 4), (3, 17)])
def test_other_widths_are_left_to_the_modules(kind, shape, monkeypatch):
    normalisation, values = normalised(shape)
    made = everything(kind, normalisation, values, False)
    compare(expected_of(kind, shape, False, monkeypatch), made, tolerance("float32"))


@needs_kernels
def test_other_layouts_types_and_modes_are_left_to_the_modules():
    normalisation, values = normalised((2, 16, 4, 4))
    served = stages._served
    assert served(values)
    assert served(values.bfloat16())
    assert not served(values.contiguous())
    assert not served(values.double())
    assert not served(values.to("meta"))
    stage = stages.Stage(_Given(values), nn.ReLU(), normalisation).eval()
    expected = normalisation(values.relu())
    assert torch.equal(stage(None), expected)


@needs_kernels
@both_kinds
def test_a_frozen_normalisation_behind_a_layer_that_is_not(kind):
    normalisation, values = normalised((2, 16, 4, 4))
    normalisation.running_mean += 1
    before = {name: tensor.clone() for name, tensor in normalisation.state_dict().items()}
    layer = nn.Conv2d(16, 16, 1).to(memory_format=torch.channels_last)  # has weights, so that not all is frozen
    stage = stage_of(kind, layer, normalisation, False)
    place = next(name for name, module in stage.named_children() if module is normalisation)
    freeze(stage, {f"{place}.{name}" for name in before})
    out = stage.train()(values)
    assert all(torch.equal(tensor, before[name]) for name, tensor in normalisation.state_dict().items())
    assert torch.equal(out, stage.eval()(values))


@needs_kernels
def test_one_value_a_channel_raises_as_torch_does():
    pooled = stage_of(stages.GeluStage, nn.Identity(), stages.BatchNorm2d(16), pool=True)
    for stage, x in (
        (dense_stage(4, 16), torch.zeros(1, 4)),
        (pooled, torch.zeros(1, 16, 3, 2).to(memory_format=torch.channels_last)),
        (convolution_stage(1, 16, False), torch.zeros(1, 1, 1, 1)),
    ):
        with pytest.raises(ValueError, match="Expected more than 1 value per channel"):
            stage.train()(x)


@needs_kernels
def test_a_second_derivative_is_refused():
    normalisation, values = normalised((2, 16, 4, 4))
    layer = _Given(values)
    out = stages.Stage(layer, nn.ReLU(), normalisation)(None)
    (gradient,) = torch.autograd.grad(out.square().sum(), layer.values, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


@needs_kernels
def test_the_kernels_take_only_what_fits():
    kernels = stages.kernels
    maps, weight, made = torch.zeros(2, 4, 4, 16), torch.ones(16), [torch.empty(16) for _ in range(3)]
    pooled = torch.empty(2, 2, 2, 16)
    good = {"map": maps, "weight": weight, "bias": weight, "pool": True, "eps": 1e-3, "out": pooled, "threads": 1}
    good |= dict(zip(("mean", "variance", "inverse"), made, strict=True))
    kernels.forward(**good)
    bad = [
        {"map": maps.double()},
        {"map": maps.transpose(1, 3)},
        {"map": maps[..., :8].contiguous()},
        {"map": maps[:0]},
        {"out": pooled[:1]},
        {"out": pooled.bfloat16()},
        {"weight": weight[:8]},
        {"weight": torch.ones(32)[::2]},
        {"mean": torch.empty(17)},
        {"threads": 0},
        {"instructions": "none"},
    ]
    for change in bad:
        with pytest.raises((ValueError, TypeError)):
            kernels.forward(**good | change)


@needs_kernels
def test_a_network_trains_alike_with_and_without(monkeypatch):
    torch.manual_seed(0)
    area = ConvolutionArea((3, 17, 12)).to(memory_format=torch.channels_last)
    x = torch.randn(6, 3, 17, 12).to(memory_format=torch.channels_last)
    cotangent = torch.randn(6, *area.out_shape)
    made = []
    for kernels in (stages.kernels, None):
        monkeypatch.setattr(stages, "kernels", kernels)
        area.zero_grad()
        out = area(x)
        out.backward(cotangent)
        made.append({"out": out, **{name: p.grad.clone() for name, p in area.named_parameters()}})
    for name, expected in made[1].items():
        compare({name: expected}, {name: made[0][name]}, 20 * tolerance("float32"))


@needs_kernels
def test_nothing_but_the_map_is_kept():
    kept = []
    normalisation, values = normalised((2, 16, 8, 8))
    layer = _Given(values)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
        stages.Stage(layer, nn.ReLU(), normalisation, nn.MaxPool2d(2))(None)
    assert sorted(kept) == [16, 16, 16, 16, values.numel()]


def test_without_the_extension_the_modules_compute(without_kernels):
    for shape, pool in itertools.islice(MAPS, 3):
        normalisation, values = normalised(shape)
        made = everything(stages.Stage, normalisation, values, pool)
        out = normalisation(values.relu())
        assert torch.equal(made["out"], nn.functional.max_pool2d(out, 2) if pool else out)
