"""The start of pretraining: unit depthwise filters, orthogonal pointwise ones, weak residual branches."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
models = pytest.importorskip("torchvision.models")

from edgetl.demo.initial import RESIDUAL, derivatives, initialise, mixtures  # noqa: E402


def test_filters_have_unit_norm() -> None:
    for filters in (derivatives(), mixtures(50)):
        assert torch.allclose(filters.flatten(1).norm(dim=1), torch.ones(len(filters)))


def test_a_network_starts_shallow_and_finite() -> None:
    torch.manual_seed(0)
    features = models.mobilenet_v2(weights=None).features
    initialise(features)
    residual = [block for block in features if getattr(block, "use_res_connect", False)]
    assert residual
    assert all((block.conv[-1].weight == RESIDUAL).all() for block in residual)
    with torch.inference_mode():
        assert torch.isfinite(features(torch.randn(2, 3, 64, 64))).all()
