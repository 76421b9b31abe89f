"""Which candidate is explained."""

from __future__ import annotations

from edgetl.artifacts import Candidate, QuantizeResult
from edgetl.errors import UsageError, nearest

_INT8 = ("int8", "int8+bf16")


def which(result: QuantizeResult, name: str | None) -> tuple[Candidate, str]:
    """Return the int8 candidate of that name, or the one that is worth explaining, and why it is this one.

    Raises UsageError for a name that there is not or that has no int8 ONNX graph, and where there is none at all.
    """
    if name is not None:
        return _named(result, name), "named by --candidate"
    chosen = result.candidate(result.chosen)
    if _refusal(chosen) is None:
        return chosen, f"chosen for {result.target}"
    able = [each for each in result.candidates if _refusal(each) is None]
    if not able:
        raise UsageError(f"No candidate for {result.target} is an int8 ONNX file, so there is nothing to explain.")
    kept = [each for each in able if each.status == "accepted"]
    why = f"{chosen.name} is chosen, which {_refusal(chosen)}"
    # The fastest where one keeps its accuracy; else what is the matter shows best where the least is.
    if kept:
        return max(kept, key=lambda each: each.speedup or 0.0), f"the fastest int8 one that keeps its accuracy; {why}"
    return max(able, key=_correctness), f"the most accurate int8 one; {why}"


def _named(result: QuantizeResult, name: str) -> Candidate:
    known = [each.name for each in result.candidates]
    if name not in known:
        raise UsageError(f"There is no candidate '{name}'.{nearest(name, known)} Known: {', '.join(known)}.")
    candidate = result.candidate(name)
    refusal = _refusal(candidate)
    if refusal is not None:
        able = [each.name for each in result.candidates if _refusal(each) is None]
        instead = f" Name one of {', '.join(able)}." if able else f" No candidate for {result.target} can be explained."
        raise UsageError(f"Candidate {name} {refusal}.{instead}")
    return candidate


def _refusal(candidate: Candidate) -> str | None:
    """Return why there is nothing to explain in ``candidate``, as what follows its name; None where there is."""
    if candidate.precision not in _INT8:
        return f"computes everything in {candidate.precision}"
    if not candidate.path:
        return f"has no file ({candidate.reason.rstrip('.')})"
    if (candidate.recipe or "").endswith("-retrained"):
        return "has other weights than the fp32 model, so that no node compares"
    if not candidate.path.endswith(".onnx"):
        return "is OpenVINO's IR, whose nodes are not those of the ONNX graph"
    return None


def _correctness(candidate: Candidate) -> tuple[float, float]:
    return candidate.accuracy or 0.0, candidate.agreement or 0.0
