"""L-BFGS against functions whose minimum is known."""

from __future__ import annotations

from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")

from edgetl.training.heads import lbfgs  # noqa: E402

pytestmark = pytest.mark.training

Scalar = Callable[[torch.Tensor], torch.Tensor]


def derived(function: Scalar) -> Callable[[torch.Tensor], tuple[float, torch.Tensor]]:
    """Return ``function`` together with its gradient."""

    def both(x: torch.Tensor) -> tuple[float, torch.Tensor]:
        x = x.detach().requires_grad_()
        value = function(x)
        (gradient,) = torch.autograd.grad(value, x)
        return float(value.detach()), gradient

    return both


def test_a_badly_scaled_quadratic_is_minimized() -> None:
    scales = torch.logspace(-2, 1, 40, dtype=torch.float64)
    target = torch.linspace(-1, 1, 40, dtype=torch.float64)
    found = lbfgs.minimize(
        derived(lambda x: (scales * (x - target) ** 2).sum()), torch.zeros(40, dtype=torch.float64), 1e-9
    )
    torch.testing.assert_close(found, target, atol=1e-6, rtol=0)


def test_a_start_far_out_on_a_steep_slope_is_no_trouble() -> None:
    found = lbfgs.minimize(derived(lambda x: torch.cosh(x).sum()), torch.full((3,), 20.0, dtype=torch.float64), 1e-9)
    torch.testing.assert_close(found, torch.zeros(3, dtype=torch.float64), atol=1e-8, rtol=0)


def test_a_minimum_is_returned_as_it_is() -> None:
    start = torch.zeros(3, dtype=torch.float64)
    assert torch.equal(lbfgs.minimize(derived(lambda x: (x**2).sum()), start, 1e-9), start)


def test_few_evaluations_are_needed() -> None:
    calls = 0

    def function(x: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return torch.nn.functional.softplus(torch.stack([x, -2 * x])).sum() + (x**2).sum()

    lbfgs.minimize(derived(function), torch.ones(50, dtype=torch.float64), 1e-8)
    assert calls < 20


def test_steps_that_overshoot_are_taken_back() -> None:
    def kinks(x: torch.Tensor) -> torch.Tensor:
        return torch.sqrt(1e-4 + (x - torch.arange(3.0, dtype=x.dtype)) ** 2).sum() + 1e-3 * (x**2).sum()

    start = torch.tensor([-10.0, 20.0, -3.0], dtype=torch.float64)
    found = lbfgs.minimize(derived(kinks), start, 1e-8)
    torch.testing.assert_close(found, torch.arange(3.0, dtype=torch.float64), atol=1e-3, rtol=0)
