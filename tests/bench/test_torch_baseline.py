"""bench/stock: the opponents are the paper's networks in torch.nn's own layers, and give what ours give."""

from __future__ import annotations

import pytest
import torch

from ecrnn.bench.torch_baseline import Stock, stock_like
from ecrnn.core.errors import EcrnnError
from ecrnn.models.build import build
from ecrnn.models.names import parse


@pytest.mark.sampled(most=3)
@pytest.mark.parametrize("model", ["cnn", "cnn-40-24", "ecnn", "crnn-gru-8", "ecrnn-birnn-4", "ecrnn-bilstm-8-4"])
def test_the_same_function_of_the_image(model: str) -> None:
    ours = build(model)
    stock = stock_like(ours, parse(model)).eval()
    images = torch.randn(3, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(stock(images), ours.eval()(images), rtol=1e-4, atol=1e-5)
    named = {type(module).__module__.partition(".")[0] for module in stock.modules() if module is not stock}
    assert named == {"torch"}
    assert not any(buffer.ne(0).any() for name, buffer in stock.named_buffers() if "running_mean" in name)


@pytest.mark.parametrize("model", ["cnn", "ecrnn-lstm-8"])
def test_another_network_is_no_opponent(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    forward = Stock.forward
    monkeypatch.setattr(Stock, "forward", lambda self, images: forward(self, images) * (1 + 2e-4 * self.training))
    with pytest.raises(EcrnnError, match=rf"^{model}: the stock network's logits in training are 2.0e-04 off ours"):
        stock_like(build(model), parse(model))


def test_only_the_papers_scan() -> None:
    with pytest.raises(EcrnnError, match="only models with the scan flatten-hwc are measured, not crnn-lstm-8@rows"):
        Stock(parse("crnn-lstm-8@rows"))


@pytest.mark.parametrize("model", ["mlp", "lenet5", "alexnet"])
def test_only_the_papers_family(model: str) -> None:
    with pytest.raises(EcrnnError, match=f"only cnn, ecnn, crnn and ecrnn models are measured, not {model}"):
        Stock(parse(model))
