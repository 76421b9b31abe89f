"""Choosing: never a worse model, and a reason for every candidate."""

from __future__ import annotations

from pathlib import Path

from edgetl.measure.accuracy import paired
from edgetl.measure.statistics import Estimate
from edgetl.quantize.search.choose import choose
from edgetl.quantize.search.trial import Setback, Trial
from edgetl.targets import Budgets, TargetCandidate

BUDGETS = Budgets(top1_drop=0.01)
LABELS = [0] * 1000
BASELINE = Trial(TargetCandidate(provider="cpu"), Path("model.onnx"), paired(LABELS, LABELS, LABELS))


def _trial(provider: str, ratio: tuple[float, float, float], lost: int = 0, images: int = 1000) -> Trial:
    low, value, high = ratio
    answers = [1] * lost + [0] * (images - lost)
    accuracy = paired(LABELS[:images], LABELS[:images], answers)
    return Trial(
        TargetCandidate(provider=provider), Path("model.onnx"), accuracy, Estimate(value, low, high, 0.95), 1e6
    )


def _statuses(*trials: Trial) -> dict[str, str]:
    return {name: choice.status for name, choice in choose(BASELINE, trials, BUDGETS).items()}


def test_the_fastest_that_keeps_its_accuracy_is_chosen() -> None:
    slow, fast = _trial("openvino", (0.60, 0.62, 0.64)), _trial("cuda", (0.40, 0.41, 0.42))
    assert _statuses(slow, fast) == {"cpu-fp32": "baseline", "openvino-fp32": "accepted", "cuda-fp32": "chosen"}


def test_a_faster_one_that_loses_accuracy_is_rejected_with_the_loss() -> None:
    good, bad = _trial("openvino", (0.8, 0.81, 0.82)), _trial("cuda", (0.2, 0.21, 0.22), lost=30)
    choices = choose(BASELINE, [good, bad], BUDGETS)
    assert choices["cuda-fp32"].status == "rejected"
    assert "3.0 points" in choices["cuda-fp32"].reason
    assert choices["openvino-fp32"].status == "chosen"


def test_fp32_stays_where_nothing_is_faster_for_sure() -> None:
    # One is slower; the other's interval holds 1: it may be faster only by chance.
    choices = choose(BASELINE, [_trial("openvino", (1.2, 1.25, 1.3)), _trial("cuda", (0.8, 0.9, 1.01))], BUDGETS)
    assert {choice.status for choice in choices.values()} == {"baseline", "rejected"}
    assert "stays chosen" in choices["cpu-fp32"].reason


def test_a_gain_that_is_certain_but_tiny_is_not_worth_another_file() -> None:
    assert _statuses(_trial("openvino", (0.985, 0.990, 0.995)))["openvino-fp32"] == "rejected"


def test_few_images_are_said_to_prove_little() -> None:
    choice = choose(BASELINE, [_trial("openvino", (0.4, 0.41, 0.42), images=50)], BUDGETS)["openvino-fp32"]
    assert choice.status == "chosen"
    assert "50 images cannot prove" in choice.reason
    assert (
        "cannot prove" not in choose(BASELINE, [_trial("openvino", (0.4, 0.41, 0.42))], BUDGETS)["openvino-fp32"].reason
    )


def test_what_cannot_run_here_says_why_and_is_never_chosen() -> None:
    gone = Trial(TargetCandidate(provider="cuda"), Path("m.onnx"), setback=Setback("unavailable", "No GPU."))
    choice = choose(BASELINE, [gone], BUDGETS)["cuda-fp32"]
    assert (choice.status, choice.reason) == ("unavailable", "No GPU.")


def test_what_was_not_timed_is_not_chosen() -> None:
    answers = paired(LABELS, LABELS, LABELS)
    untimed = Trial(TargetCandidate(provider="openvino"), Path("m.onnx"), answers)
    untried = Trial(TargetCandidate(provider="cuda"), Path("m.onnx"))
    statuses = _statuses(untimed, untried)
    assert statuses["openvino-fp32"] == "accepted"
    assert statuses["cuda-fp32"] == "unavailable"


def test_every_reason_is_a_sentence() -> None:
    trials = [_trial("openvino", (0.4, 0.5, 0.6), images=40), _trial("cuda", (0.4, 0.5, 0.6), lost=90)]
    for choice in choose(BASELINE, trials, BUDGETS).values():
        assert choice.reason[0].isupper() or choice.reason.startswith("openvino")
        assert choice.reason.endswith(".")
