"""Small networks are faster on one thread, above all on a busy machine."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def seeded():
    """What a test draws from torch's global generator is the same every time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
