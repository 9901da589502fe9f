"""Products with weights, by whoever is faster."""

import pytest
import torch
from torch.nn import functional as F

from wm_lab.models.parts import products
from wm_lab.models.parts.products import Linear, linear

try:
    torch.ops.mkldnn._linear_pointwise  # noqa: B018
    HAS_ONEDNN = torch.backends.mkldnn.is_available()
except AttributeError:
    HAS_ONEDNN = False
pytestmark = pytest.mark.skipif(not HAS_ONEDNN, reason="this PyTorch has no oneDNN")


@pytest.fixture(autouse=True)
def _slow_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "SLOW", True)


def operations(x: torch.Tensor, layer: Linear) -> set[str]:
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as seen:
        layer(x)
    return {event.key for event in seen.key_averages()}


@pytest.mark.parametrize("inputs", [36, 192, 500])
def test_a_large_product_of_a_search_is_the_product(inputs: int) -> None:
    torch.manual_seed(0)
    layer, x = Linear(inputs, 96), torch.randn(4, 600, inputs)
    with torch.no_grad():
        found, expected = layer(x), F.linear(x, layer.weight, layer.bias)
    assert torch.allclose(found, expected, rtol=1e-5, atol=1e-5)
    if products.slow_here() and inputs <= 192:
        assert torch.equal(found, expected)


def test_onednn_is_asked_for_large_products_without_gradients_alone() -> None:
    layer, many, few = Linear(96, 96), torch.randn(2000, 96), torch.randn(10, 96)
    asked = "mkldnn::_linear_pointwise"
    with torch.no_grad():
        assert asked in operations(many, layer)
        assert asked not in operations(few, layer)
        with torch.autocast("cpu", torch.bfloat16):
            assert asked not in operations(many, layer)
    assert asked not in operations(many, layer)


def test_gradients_flow_through_large_products() -> None:
    torch.manual_seed(0)
    layer, x = Linear(96, 96), torch.randn(2000, 96)
    layer(x).sum().backward()
    assert layer.bias is not None and torch.equal(layer.bias.grad, torch.full((96,), 2000.0))


def test_other_precisions_stay_with_pytorch() -> None:
    weight, x = torch.randn(96, 96, dtype=torch.float64), torch.randn(2000, 96, dtype=torch.float64)
    with torch.no_grad():
        assert torch.equal(linear(x, weight), F.linear(x, weight))
