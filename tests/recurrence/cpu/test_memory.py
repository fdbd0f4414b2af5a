"""The memory that ecrnn.recurrence.cpu keeps from call to call: used again only when nothing refers to it any more."""

import re
from pathlib import Path

import pytest
import torch
from recurrence.cpu.problems import Problem, built

from ecrnn.recurrence import LSTM, cpu

pytestmark = built
SHAPE = (64, 512, 16)  # 2 MiB: large enough to be kept


@pytest.fixture(autouse=True)
def nothing_kept():
    torch.manual_seed(3)
    cpu.release()
    yield
    cpu.release()


def layer():
    return LSTM(1, 16, batch_first=True, backend="cpu")


def test_an_output_that_is_held_is_not_written_over():
    own, x = layer(), torch.randn(*SHAPE[:2], 1)
    with torch.no_grad():
        first = own(x)[0]
        expected = first.clone()
        part = first[:, -1:]  # a view holds it too
        address = first.data_ptr()
        second = own(2 * x)[0]
        assert second.data_ptr() != address
        del first, second
        third = own(3 * x)[0]
        assert third.data_ptr() != address
        assert torch.equal(part, expected[:, -1:])
        del part, third
        addresses = {own(x)[0].data_ptr() for _ in range(3)}
    assert len(addresses) == 1  # and then it is used again


def test_two_graphs_at_once():
    own = layer()
    inputs = [torch.randn(*SHAPE[:2], 1, requires_grad=True) for _ in range(2)]
    for x in inputs:
        own(x)[0].square().sum().backward()
    apart = [x.grad.clone() for x in inputs]
    for x in inputs:
        x.grad = None
    losses = [own(x)[0].square().sum() for x in inputs]  # both graphs live
    for loss in reversed(losses):
        loss.backward()
    for x, expected in zip(inputs, apart, strict=True):
        assert torch.equal(x.grad, expected)


def test_outputs_may_be_changed_in_place():
    own, x = layer(), torch.randn(*SHAPE[:2], 1, requires_grad=True)
    for time_first in (False, True):
        own.batch_first = not time_first
        given = x.transpose(0, 1) if time_first else x
        output = own(given)[0]
        output += 1
        output.sum().backward()
    with torch.no_grad():
        own(x.transpose(0, 1))[0].zero_()


def test_memory_made_in_inference_mode_serves_training():
    own, x = layer(), torch.randn(*SHAPE[:2], 1)
    with torch.inference_mode():
        own(x)
    own(x)[0].sum().backward()
    assert own.weight_hh_l0.grad.abs().sum() > 0


def test_no_more_is_kept_than_is_said(monkeypatch):
    monkeypatch.setattr(cpu, "_MOST_KEPT", 3 * 64 * 512 * 16)
    held = [cpu._memory((64 * 512 * 16,), (1,)) for _ in range(5)]
    assert len({memory.data_ptr() for memory in held}) == 5
    assert len(cpu._kept) == 3
    cpu.release()
    assert cpu._kept == []
    cpu._memory((10,), (1,))
    cpu._memory((4 * 64 * 512 * 16,), (1,))
    assert cpu._kept == []  # small memory is not kept, nor is too large


def test_gates_are_kept_only_in_memory_that_is_kept(monkeypatch):
    """Fresh memory on every call takes longer than to compute them anew."""
    problem = Problem("lstm", B=16, T=64, I=1, H=16)

    def saved():
        cell, x, weights, h_0, c_0, lengths = problem.forward_arguments()
        return cpu.forward(cell, x, weights, h_0, c_0, lengths, False, True, cutoff=0.0)[3]

    with_gates = len(saved())
    monkeypatch.setattr(cpu, "_MOST_KEPT", with_gates - 1)
    assert len(saved()) < with_gates / 8


def flags_of(address):
    """The system's flags of the memory at ``address``."""
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if area := re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line):
            inside = int(area[1], 16) <= address < int(area[2], 16)
        elif inside and line.startswith("VmFlags:"):
            return line.split()[1:]
    raise AssertionError(f"no memory at {address:x}")


@pytest.mark.skipif(not Path("/sys/kernel/mm/transparent_hugepage").exists(), reason="no large pages here")
def test_large_pages_are_asked_for_and_nothing_else_changes():
    extension = pytest.importorskip("ecrnn.recurrence._cpu")
    memory = torch.arange(5 << 20, dtype=torch.float32)  # 20 MiB
    for part in (memory[:0], memory[:1], memory[3:70], memory[1:-1]):
        extension.prefer_large_pages(part)
    assert "hg" in flags_of(memory[len(memory) // 2].data_ptr())
    assert torch.equal(memory, torch.arange(5 << 20, dtype=torch.float32))
    kept = cpu._memory((5 << 20,), (1,))
    assert "hg" in flags_of(kept[len(kept) // 2].data_ptr())
    with pytest.raises(TypeError):
        extension.prefer_large_pages(memory.double())
