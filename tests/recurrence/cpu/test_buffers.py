"""The memory that ecrnn.recurrence.cpu keeps from call to call: used again only when nothing refers to it any more."""

import re
import threading
import weakref
from pathlib import Path

import pytest
import torch
from recurrence.cpu.problems import Problem, built

from ecrnn.recurrence import LSTM, cpu
from ecrnn.recurrence.cpu import buffers

pytestmark = [built, pytest.mark.sampled()]
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


def as_it_is(held):
    return held


def in_the_storage(storage):
    return torch.empty(0).set_(storage)


def sent_to_another_process(output):
    """The mapping that the other process has."""
    handle, size = output.untyped_storage()._share_fd_cpu_()
    return torch.UntypedStorage._new_shared_fd_cpu(handle, size)


def moved_to_another_storage(output):
    other = torch.UntypedStorage(0)
    other._swap_data_ptr_(output.untyped_storage())
    return other


WAYS_TO_HOLD = {
    "tensor": (as_it_is, as_it_is),
    "view": (lambda output: output[1:], as_it_is),
    "data": (lambda output: output.data, as_it_is),
    "parameter": (torch.nn.Parameter, torch.Tensor.detach),
    "set to it": (lambda output: torch.empty(0).set_(output), as_it_is),
    "copied on writing": (torch._lazy_clone, as_it_is),
    "storage": (torch.Tensor.untyped_storage, in_the_storage),
    "array": (torch.Tensor.numpy, torch.from_numpy),
    "buffer": (lambda output: memoryview(output.numpy()), torch.asarray),
    "capsule": (lambda output: output.__dlpack__(), torch.from_dlpack),
    "DLPack": (torch.from_dlpack, as_it_is),
    "graph": (lambda output: output.clone().requires_grad_() * output, lambda made: made.grad_fn._saved_other),
    "another process": (sent_to_another_process, in_the_storage),
    "moved": (moved_to_another_storage, in_the_storage),
}


@pytest.mark.parametrize("way", WAYS_TO_HOLD)
@pytest.mark.parametrize("grad", [False, True])
def test_what_can_be_seen_is_not_written_over(way, grad):
    hold, read = WAYS_TO_HOLD[way]
    own, x = layer(), torch.randn(*SHAPE[:2], 1)

    def output(factor):
        with torch.set_grad_enabled(grad):
            return own(factor * x)[0].detach()

    output(1)  # there is memory to use again
    made = output(2)
    expected = made.sum(dtype=torch.float64), made[1:].sum(dtype=torch.float64)
    held = hold(made)
    del made
    for factor in (3, 4, 5):
        output(factor)
    assert read(held).sum(dtype=torch.float64) in expected
    assert torch.equal(output(2), layer_alone(own, 2 * x))


def layer_alone(own, x):
    """What the layer gives in memory that nothing had before."""
    cpu.release()
    with torch.no_grad():
        return own(x)[0]


def shared(output):
    output.share_memory_()


def emptied(output):
    output.untyped_storage().resize_(0)


def emptied_and_as_before(output):
    storage = output.untyped_storage()
    size = storage.nbytes()
    storage.resize_(0)
    storage.resize_(size)


def enlarged(output):
    output.resize_(3 * output.numel())


def cut(output):
    output.resize_(5)


def taken_apart(output):
    output.set_(torch.empty(0))


def out_of_an_operation(output):
    torch.add(torch.ones(3_000_000), 1, out=output)


def swapped_with_another(output):
    torch.utils.swap_tensors(output, torch.zeros(3))


@pytest.mark.parametrize(
    "change",
    [shared, emptied, emptied_and_as_before, enlarged, cut, taken_apart, out_of_an_operation, swapped_with_another],
    ids=lambda f: f.__name__,
)
@pytest.mark.filterwarnings("ignore:An output with one or more elements was resized")
def test_outputs_can_be_moved_shared_and_resized_as_torchs(change):
    own, x = layer(), torch.randn(*SHAPE[:2], 1)
    expected = layer_alone(own, x).clone()
    for _ in range(3):
        with torch.no_grad():
            output = own(x)[0]
            change(output)
            del output
            assert torch.equal(own(x)[0], expected)
        own(x)[0].sum().backward()


def test_weak_references_end_as_torchs_do():
    own, x = layer(), torch.randn(*SHAPE[:2], 1)
    with torch.no_grad():
        storage = own(x)[0].untyped_storage()
        reference = weakref.ref(storage)
        assert buffers._kept[-1].lost()  # whoever makes it strong again, in another thread, sees what it saw
        del storage
        own(x)
    assert reference() is None


def test_weak_references_of_cpp_find_nothing_in_memory_that_is_used_again():
    own, x = layer(), torch.randn(*SHAPE[:2], 1)
    with torch.no_grad():
        reference = own(x)[0].untyped_storage()._weak_ref()
        address = buffers._kept[-1].address
        assert own(x)[0].data_ptr() == address
    found = torch.UntypedStorage._new_with_weak_ptr(reference) is not None
    assert not found
    torch.UntypedStorage._free_weak_ref(reference)


def test_gradients_and_what_a_graph_keeps_are_not_written_over():
    own, x = LSTM(16, 16, batch_first=True, backend="cpu", cutoff=0), torch.randn(*SHAPE, requires_grad=True)
    seen = []

    def see(tensor):
        seen.append((tensor, tensor.detach().clone()))
        return tensor

    for factor in (1, 2, 3):
        with torch.autograd.graph.saved_tensors_hooks(see, as_it_is):
            output = own(factor * x)[0]
        see(torch.autograd.grad(output.square().sum(), x)[0])
    assert len(seen) > 10
    for tensor, as_it_was in seen:
        assert torch.equal(tensor, as_it_was)


def test_threads_do_not_write_over_one_another():
    own, x = layer(), torch.randn(*SHAPE[:2], 1)
    expected = [layer_alone(own, k * x).clone() for k in range(4)]
    wrong = []

    def work(k):
        with torch.no_grad():
            for _ in range(10):
                if not torch.equal(own(k * x)[0], expected[k]):
                    wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_without_torchs_functions_nothing_is_kept(monkeypatch):
    monkeypatch.setattr(buffers, "_CAN_KEEP", False)
    own, x = layer(), torch.randn(*SHAPE[:2], 1)
    own(x)[0].sum().backward()
    assert buffers._kept == []


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
    monkeypatch.setattr(buffers, "MOST_KEPT", 3 * 64 * 512 * 16)
    held = [cpu._memory((64 * 512 * 16,), (1,)) for _ in range(5)]
    assert len({each.data_ptr() for each in held}) == 5
    assert len(buffers._kept) == 3
    cpu.release()
    assert buffers._kept == []
    cpu._memory((10,), (1,))
    cpu._memory((4 * 64 * 512 * 16,), (1,))
    assert buffers._kept == []  # small memory is not kept, nor is too large


def test_many_sizes_are_few_storages(monkeypatch):
    monkeypatch.setattr(buffers, "MOST_STORAGES", 5)
    for more in range(20):
        cpu._memory((buffers.WORTH_KEEPING + more,), (1,))
    assert [kept.floats - buffers.WORTH_KEEPING for kept in buffers._kept] == [15, 16, 17, 18, 19]
    cpu._memory((buffers.WORTH_KEEPING + 17,), (1,))  # there is one to use again, so none has to go
    assert [kept.floats - buffers.WORTH_KEEPING for kept in buffers._kept] == [15, 16, 18, 19, 17]


def test_what_is_shared_or_resized_is_soon_let_go_of():
    """Else its memory would live for as long as ours."""
    sizes = [buffers.WORTH_KEEPING + more for more in range(6)]
    for change, size in zip((shared, emptied, enlarged, shared, emptied, enlarged), sizes, strict=True):
        change(cpu._memory((size,), (1,)))
    for _ in range(8):
        cpu._memory((buffers.WORTH_KEEPING + 100,), (1,))
    assert [kept.floats for kept in buffers._kept] == [buffers.WORTH_KEEPING + 100]


def test_gates_are_kept_only_in_memory_that_is_kept(monkeypatch):
    """Fresh memory on every call takes longer than to compute them anew."""
    problem = Problem("lstm", B=16, T=64, I=1, H=16)

    def saved():
        return cpu.forward(problem.call(), False, True, cutoff=0.0)[3]

    with_gates = len(saved())
    monkeypatch.setattr(buffers, "MOST_KEPT", with_gates - 1)
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
    fresh = torch.arange(5 << 20, dtype=torch.float32)  # 20 MiB
    for part in (fresh[:0], fresh[:1], fresh[3:70], fresh[1:-1]):
        extension.prefer_large_pages(part)
    assert "hg" in flags_of(fresh[len(fresh) // 2].data_ptr())
    assert torch.equal(fresh, torch.arange(5 << 20, dtype=torch.float32))
    kept = cpu._memory((5 << 20,), (1,))
    assert "hg" in flags_of(kept[len(kept) // 2].data_ptr())
    with pytest.raises(TypeError):
        extension.prefer_large_pages(fresh.double())
