"""recurrence/bfloat16: the product with the states in bfloat16, against float64 that rounds the same operands."""

import numpy as np
import pytest
import torch
from recurrence.cpu.problems import Problem, each_cell

from ecrnn.core.errors import EcrnnError
from ecrnn.recurrence import LSTM, cpu, dispatch
from ecrnn.recurrence.checking import Case, Wrong, check, tolerance

has_instructions = pytest.mark.skipif(not cpu.bfloat16_instructions(), reason="no instructions for bfloat16")
SCALES = {
    "lstm": (1, 1, 2, 1),
    "gru": (1, 1, 2),
    "rnn_tanh": (2,),
    "rnn_relu": (0,),
}  # of the packed weights, in log2(e)


class Rounded(torch.autograd.Function):
    """h W^T with both rounded to bfloat16, W as multiplied by its gate's scale; the gradient is that of h W^T."""

    @staticmethod
    def forward(ctx, h, w, scale):
        ctx.save_for_backward(h, w)
        half = lambda values: values.float().bfloat16().double()  # noqa: E731
        return half(h) @ (half(w * scale) / scale).T

    @staticmethod
    def backward(ctx, d):
        h, w = ctx.saved_tensors
        return d @ w, d.T @ h, None


def step(cell, gates_x, gates_h, h, c):
    """The state after a step, from the sums of its gates with inputs and states, all float64."""
    if cell == "lstm":
        i, f, g, o = (gates_x + gates_h).chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c
    if cell == "gru":
        (r, z, n), (hr, hz, hn) = gates_x.chunk(3, 1), gates_h.chunk(3, 1)
        n = torch.tanh(n + torch.sigmoid(r + hr) * hn)
        z = torch.sigmoid(z + hz)
        return (1 - z) * n + z * h, c
    return (torch.tanh if cell == "rnn_tanh" else torch.relu)(gates_x + gates_h), c


def in_float64(problem):
    """Outputs and gradients of ``problem`` with the product's operands rounded."""
    weights = [torch.tensor(w, dtype=torch.float64, requires_grad=True) for w in problem.weights.values()]
    x = torch.tensor(problem.x, dtype=torch.float64, requires_grad=True)
    states = [torch.tensor(s[0], dtype=torch.float64) for s in problem.initial]
    w_ih, w_hh, b_ih, b_hh = weights
    scale = torch.tensor([1.0 if s == 0 else -s * 1.44269504 for s in SCALES[problem.cell]]).double()
    scale = scale.float().double().repeat_interleave(problem.H)[:, None]
    h, c = states[0], states[-1]
    outputs = []
    for t in range(problem.T):
        h, c = step(problem.cell, x[:, t] @ w_ih.T + b_ih, Rounded.apply(h, w_hh, scale) + b_hh, h, c)
        outputs.append(h)
    output = torch.stack(outputs, 1)
    d_h, *d_c = (torch.tensor(d[0], dtype=torch.float64) for d in problem.d_last)
    loss = (output * torch.tensor(problem.d_output)).sum() + (h * d_h).sum() + sum((c * d).sum() for d in d_c)
    loss.backward()
    gradients = {f"d_{name}": w.grad for name, w in zip(problem.weights, weights, strict=True)}
    return {"output": output.detach(), "d_x": x.grad, **gradients}


@has_instructions
@each_cell
@pytest.mark.parametrize(("B", "H", "steps"), [(40, 16, 3), (17, 7, 3), (3, 33, 2), (40, 16, 70)])
def test_against_float64_with_the_same_rounding(cell, B, H, steps):
    """Near a tie float32 now and then rounds otherwise than float64, by 2^-8 of an operand, and more so the longer."""
    problem = Problem(cell, B, steps, I=2, H=H)
    expected = in_float64(problem)
    for keep_gates in (False, True):
        actual = problem.actual(instruction_set="avx512_bfloat16", keep_gates=keep_gates)
        for name, value in expected.items():
            error = (actual[name] - value).abs() / value.abs().max()
            assert error.median() < 2e-5, name
            assert error.max() < (2e-3 if steps < 10 else 2e-2), name
    exact = problem.actual()["output"]
    assert (actual["output"] - exact).abs().max() > 1e-4  # it does round


@has_instructions
def test_a_layer_takes_it_by_name_and_auto_never():
    layer = LSTM(3, 20, batch_first=True, bidirectional=True, backend="cpu-bfloat16")
    check(layer, Case("lstm", 20, 40, 18, 3, directions=2), precision="bfloat16")
    with pytest.raises(Wrong, match="relative error"):
        check(layer, Case("lstm", 20, 40, 18, 3, directions=2))
    shape = dispatch.Shape("lstm", 3, 20, directions=2, batch=18, steps=40)
    verdicts = {verdict.backend: verdict for verdict in dispatch.explain(shape)}
    assert verdicts["cpu"].chosen
    assert (verdicts["cpu-bfloat16"].serves, verdicts["cpu-bfloat16"].reason) == (
        True,
        "it rounds to bfloat16, only by name",
    )
    assert tolerance("bfloat16") > tolerance("float32")


@has_instructions
def test_samples_end_at_their_lengths():
    lengths = [1 + b % 6 for b in range(40)]
    problem = Problem("lstm", B=40, T=6, I=2, H=9, lengths=lengths)
    h_n = problem.forward(instruction_set="avx512_bfloat16")[1][0]
    for length in range(1, 7):
        call = problem.call()
        short = call._replace(x=call.x[:, :length].contiguous(), lengths=None)
        expected = cpu.forward(short, False, False, instruction_set="avx512_bfloat16")[1][0]
        chosen = np.array(lengths) == length
        assert torch.equal(h_n[chosen], expected[chosen])


@has_instructions
def test_states_that_are_not_numbers_stay_so_and_samples_apart():
    problem = Problem("lstm", B=20, T=5, I=1, H=5)
    problem.initial[0][0, 7, 2] = np.nan
    output = problem.forward(instruction_set="avx512_bfloat16")[0]
    assert output[7].isnan().all()
    assert not output[np.arange(20) != 7].isnan().any()


def test_a_processor_without_the_instructions_is_refused_in_a_line(monkeypatch):
    monkeypatch.setattr(cpu, "bfloat16_instructions", lambda: "")
    monkeypatch.setattr(cpu, "available", lambda: True)
    dispatch.forget()
    shape = dispatch.Shape("lstm", 3, 20)
    with pytest.raises(EcrnnError, match=r"^backend 'cpu-bfloat16' cannot serve: this processor has no AVX-512"):
        dispatch.resolve("cpu-bfloat16", shape)
    dispatch.forget()
