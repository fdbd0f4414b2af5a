"""The Triton kernels: in Triton's interpreter against the oracle, compiled for a card that is not there, and on a card.

Triton decides once, when it is imported, whether it interprets: by the variable TRITON_INTERPRET. So the interpreter is
another process, started with the variable set (a pool of one worker that all tests share): this process compiles.
"""

import multiprocessing
import re
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lanes import seldom
from oracles import compare, tolerance
from recurrence.layers_by_contract import Case, check_layer, everything, trials_apart

triton = pytest.importorskip("triton", reason="triton is for Linux alone")

from triton.backends.compiler import GPUTarget  # noqa: E402
from triton.compiler import ASTSource  # noqa: E402

from ecrnn.recurrence import dispatch, gpu  # noqa: E402
from ecrnn.recurrence._gpu_backward import backward_kernel  # noqa: E402
from ecrnn.recurrence._gpu_forward import forward_kernel  # noqa: E402
from ecrnn.recurrence._gpu_trials import _CELLS, _Sizes  # noqa: E402

pytestmark = pytest.mark.sampled()

CELLS = ("lstm", "gru", "rnn_tanh", "rnn_relu")
each_cell = pytest.mark.parametrize("cell", CELLS)

CASES = [
    Case("", hidden=3, steps=1, batch=1),
    Case("", hidden=1, steps=2, batch=5, inputs=2),
    Case("", hidden=3, steps=17, batch=3, directions=2),
    Case("", hidden=5, steps=2, batch=5, inputs=3, directions=2, time_first=True),
    Case("", hidden=3, steps=5, batch=9, directions=2, lengths=True),
    Case("", hidden=4, steps=5, batch=9, inputs=2, lengths=True, time_first=True, needs_initial=False),
    Case("", hidden=16, steps=1, batch=3),
    Case("", hidden=18, steps=2, batch=1, directions=2, lengths=True),
    Case("", hidden=3, steps=5, batch=2, output=False, above=None),
    Case("", hidden=3, steps=5, batch=2, last=False),
]


@pytest.fixture(scope="module")
def interpreted():
    """A function that calls another one in the process where Triton interprets."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_INTERPRET", "1")
        patch.setenv("OMP_NUM_THREADS", "1")
        pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
        assert pool.submit(sys.getrecursionlimit).result() > 0  # the process is there, and has the variables
    with pool:
        yield lambda function, *args: pool.submit(function, *args).result()


def check(case, made, seed=0):
    compare(everything("_by_reference", case, seed=seed), made, tolerance("float32", case.steps))


@pytest.mark.sampled(most=2, slow=14)
@each_cell
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"H{case.hidden}-T{case.steps}-B{case.batch}-I{case.inputs}")
def test_outputs_and_gradients_are_the_oracles(interpreted, cell, case):
    case = case._replace(cell=cell)
    check(case, interpreted(everything, "gpu", case))


# Forgets half of its state, or more, at each step; may end after step 32 or 16.
FORGETFUL = Case("", hidden=2, steps=48, batch=3, output=False, above=None, needs_initial=False, cutoff=1e-8, scale=0.1)


@pytest.mark.sampled(most=1)
@each_cell
def test_the_backward_pass_may_end_early_without_effect(interpreted, cell):
    case = FORGETFUL._replace(cell=cell)
    made = interpreted(everything, "gpu", case)
    check(case, made)
    assert (made["d_x"][:, :16] == 0).all()


@pytest.mark.slow
def test_either_direction_may_end_early(interpreted):
    case = FORGETFUL._replace(cell="rnn_tanh", directions=2)
    made = interpreted(everything, "gpu", case)
    check(case, made)
    assert (made["d_x"][:, 20:28] == 0).all()
    assert (made["d_x"][:, [0, -1]] != 0).all()


@pytest.mark.sampled(most=1)
@pytest.mark.parametrize(
    "change",
    [{"cutoff": 0.0}, {"cutoff": 1e-30}, {"needs_initial": True}, {"output": True, "above": (0, 48)}],
    ids=["0", "tiny", "initial states", "outputs"],
)
def test_the_backward_pass_goes_on_where_it_must(interpreted, change):
    made = interpreted(everything, "gpu", FORGETFUL._replace(cell="rnn_tanh", scale=0.5, **change))
    assert (made["d_x"] != 0).all()


@pytest.mark.slow
def test_the_backward_pass_waits_for_the_gradients_of_outputs(interpreted):
    case = FORGETFUL._replace(cell="rnn_tanh", scale=0.5, output=True, above=(33, 36), last=False, cutoff=1e-4)
    made = interpreted(everything, "gpu", case)
    compare(everything("_by_reference", case), made, 1e-3)
    assert (made["d_x"][:, 16:36] != 0).all()
    assert (made["d_x"][:, :16] == 0).all()


@pytest.mark.slow
def test_the_reverse_direction_waits_too(interpreted):
    case = FORGETFUL._replace(cell="rnn_tanh", scale=0.5, output=True, directions=2, cutoff=1e-4)
    late, early = case._replace(above=(33, 36)), case._replace(above=(11, 14), last=False)
    compare(everything("_by_reference", late), interpreted(everything, "gpu", late), 1e-3)
    made = interpreted(everything, "gpu", early)
    compare(everything("_by_reference", early), made, 1e-3)
    assert (made["d_x"][:, 32:] == 0).all()  # it ends 16 steps from its end


@pytest.mark.slow
def test_a_gradient_that_is_no_number_is_carried_to_the_first_step(interpreted):
    made = interpreted(everything, "gpu", FORGETFUL._replace(cell="rnn_tanh", nan=True))
    assert np.isnan(made["d_x"][0]).all()


@pytest.mark.sampled(most=1)
@pytest.mark.parametrize(("cell", "inputs", "shared_x"), [("lstm", 1, False), ("gru", 2, False), ("rnn_relu", 2, True)])
def test_trials_in_one_launch_have_the_bits_of_each_alone(interpreted, cell, inputs, shared_x):
    case = Case(cell, hidden=3, steps=3, batch=3, inputs=inputs, directions=2, lengths=True)
    together, alone = interpreted(trials_apart, case, 3, shared_x)
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.sampled(most=1)
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_layers_compute_by_it_where_it_is_named(interpreted, cell):
    interpreted(check_layer, cell)


def test_what_cannot_be_served_is_said():
    shape = SimpleNamespace(hidden=33, device="cuda")
    assert gpu.obstacle(shape) == "it keeps the weights in registers, which hold up to 32 nodes, not 33"
    assert gpu.obstacle(SimpleNamespace(hidden=32, device="cuda")) is None
    assert gpu.obstacle(SimpleNamespace(hidden=32, device="cpu")) == "the layer is on cpu"
    assert dispatch.obstacle("triton", dispatch.Shape("lstm", 1, 16)) == "the layer is on cpu"


def test_the_layers_work_without_triton():
    code = (
        "import sys; sys.modules['triton'] = None\n"
        "import torch; from ecrnn.recurrence import LSTM, dispatch\n"
        "LSTM(1, 2)(torch.zeros(3, 1, 1))\n"
        "print(dispatch.obstacle('triton', dispatch.Shape('lstm', 1, 2, device='cuda')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "not installed" in done.stdout, done.stderr
    assert "triton" in done.stdout


FORWARD = {"OUTPUT": True, "KEEP": True, "LENGTHS": True}
BACKWARD = {"ABOVE": True, "NEEDS_X": True, "GATES": False, "ACCUMULATE": True, "CUTOFF": True, "LENGTHS": True}


def compiled(kernel, cell, hidden, inputs, flags):
    """A kernel as it would run on an H100 or H200."""
    constants = _Sizes(cell, N=1, B=4, T=4, inputs=inputs, D=1, H=hidden, time_first=False).constants()
    constants |= {"K": _CELLS[cell].gradients, **flags}
    warps = constants.pop("num_warps")
    constants = {name: value for name, value in constants.items() if name in kernel.arg_names}
    numbers = {"B", "T", "x_n", "x_d", "x_b", "x_t", "d_n", "d_b", "d_t", "rows_b", "rows_t"}
    others = (
        {"lengths": "*i32", "cutoff": "fp32"} | dict.fromkeys(numbers, "i32") | dict.fromkeys(constants, "constexpr")
    )
    signature = {name: others.get(name, "*fp32") for name in kernel.arg_names}
    source = ASTSource(kernel, signature, constants)
    return triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"num_warps": warps})


@pytest.mark.sampled(most=1)
@pytest.mark.parametrize(
    ("kernel", "cell", "hidden", "inputs", "flags"),
    [
        (forward_kernel, "lstm", 16, 1, FORWARD),
        pytest.param(forward_kernel, "rnn_relu", 5, 3, FORWARD, marks=seldom),
        pytest.param(backward_kernel, "lstm", 16, 1, BACKWARD, marks=seldom),
        (backward_kernel, "gru", 8, 1, BACKWARD),
        pytest.param(backward_kernel, "rnn_tanh", 5, 1, BACKWARD, marks=seldom),
        (backward_kernel, "lstm", 32, 2, BACKWARD | {"GATES": True, "ACCUMULATE": False}),
    ],
)
def test_kernels_compile_for_hopper_without_spilling(tmp_path, monkeypatch, kernel, cell, hidden, inputs, flags):
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path / "cache"))
    made = compiled(kernel, cell, hidden, inputs, flags)
    file = tmp_path / "kernel.cubin"
    file.write_bytes(made.asm["cubin"])
    usage = subprocess.run([triton.knobs.nvidia.cuobjdump.path, "-res-usage", file], capture_output=True, text=True)
    used = {name: int(number) for name, number in re.findall(r"(REG|STACK|LOCAL):(\d+)", usage.stdout)}
    assert used["STACK"] == used["LOCAL"] == made.metadata.shared == 0


on_a_card = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


@pytest.mark.gpu
@on_a_card
@each_cell
@pytest.mark.parametrize(
    "case",
    [
        *CASES,
        Case("", hidden=16, steps=1024, batch=17, directions=2),
        Case("", hidden=32, steps=257, batch=5, inputs=3, directions=2, lengths=True),
        Case("", hidden=16, steps=1024, batch=9, output=False, above=None, needs_initial=False, cutoff=1e-8),
    ],
    ids=str,
)
def test_on_a_card_outputs_and_gradients_are_the_oracles(cell, case):
    case = case._replace(cell=cell)
    made = everything("gpu", case, device="cuda")
    check(case, made)
    again = everything("gpu", case, device="cuda")
    for name, a in made.items():
        np.testing.assert_array_equal(a, again[name], err_msg=name)  # nothing is added in an order that changes


@pytest.mark.gpu
@on_a_card
def test_on_a_card_trials_in_one_launch_are_as_each_alone():
    case = Case("lstm", hidden=16, steps=65, batch=17, directions=2, lengths=True)
    together, alone = trials_apart(case, 8, False, device="cuda")
    names = [str(k) for k in range(len(alone))]
    pairs = dict(zip(names, alone, strict=True)), dict(zip(names, together, strict=True))
    compare(*pairs, tolerance("float32", case.steps))  # torch adds the groups' parts in another order
