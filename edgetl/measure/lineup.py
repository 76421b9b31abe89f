"""Which model files are measured on which providers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgetl.artifacts import Candidate, QuantizeResult
from edgetl.device.providers import PROVIDERS
from edgetl.errors import UsageError, nearest


def lineup(quantized: QuantizeResult, providers: Sequence[str]) -> tuple[Candidate, ...]:
    """Return the candidates to measure, the baseline first.

    Without ``providers`` these are all of the run's. With them, for each provider those that the target has for it, or
    else every model file of the run on it. Raises UsageError for an unknown provider.
    """
    require_known(providers)
    baseline, *others = (each for each in quantized.candidates if not _passed_by(each))
    if not providers:
        return (baseline, *others)
    chosen = [baseline]
    for provider in dict.fromkeys(providers):
        own = [candidate for candidate in others if candidate.provider == provider]
        chosen += own or ([] if provider == baseline.provider else _everything_on(provider, quantized))
    return tuple(chosen)


def _passed_by(candidate: Candidate) -> bool:
    """Return whether a search only came by ``candidate``: it was not needed, or a try at mending that did not do."""
    return candidate.status == "skipped" or (candidate.status == "rejected" and bool(candidate.float_nodes))


def require_known(providers: Sequence[str]) -> None:
    """Raise UsageError for the first of ``providers`` that there is none of, with the nearest name."""
    for provider in providers:
        if provider not in PROVIDERS:
            known = ", ".join(PROVIDERS)
            raise UsageError(f"There is no provider '{provider}'.{nearest(provider, PROVIDERS)} Known: {known}.")


def _everything_on(provider: str, quantized: QuantizeResult) -> list[Candidate]:
    # OpenVINO's own format is for nothing else.
    files = {each.path: each for each in reversed(quantized.candidates) if each.path and not each.path.endswith(".zip")}
    asked: dict[str, Any] = {
        "provider": provider,
        "options": {},
        # That of the same file elsewhere: the search knows nothing of it here.
        "latency_p50_ms": None,
        "status": "accepted",
        "reason": f"The target has nothing for {provider}; it was asked for.",
    }
    return [
        candidate.model_copy(update=asked | {"name": _name(provider, candidate)})
        for candidate in reversed(files.values())
    ]


def _name(provider: str, candidate: Candidate) -> str:
    return "-".join(dict.fromkeys(part for part in (provider, candidate.precision, candidate.recipe) if part))
