"""Choosing: never a worse model, and a reason for every candidate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from edgetl.measure.accuracy import paired
from edgetl.measure.statistics import Estimate
from edgetl.quantization.search.choose import Rules, choose
from edgetl.quantization.search.trial import Trial
from edgetl.quantization.setback import Setback
from edgetl.targets import Budgets, TargetCandidate

RULES = Rules(Budgets(top1_drop=0.01))
LENIENT = Rules(Budgets(top1_drop=0.01), accept_unproven=True)
LABELS = [0] * 1000
FILE = Path("model.onnx")
BASELINE = Trial(TargetCandidate(provider="cpu"), FILE, accuracy=paired(LABELS, LABELS, LABELS))


def _trial(
    provider: str, ratio: tuple[float, float, float], lost: int = 0, images: int = 1000, distance: float = 0.0
) -> Trial:
    low, value, high = ratio
    answers = [1] * lost + [0] * (images - lost)
    accuracy = paired(LABELS[:images], LABELS[:images], answers)
    latency = Estimate(value, low, high, 0.95)
    return Trial(
        TargetCandidate(provider=provider),
        FILE,
        accuracy=accuracy,
        distance=distance,
        latency=latency,
        latency_p50_ns=1e6,
    )


def _statuses(*trials: Trial) -> dict[str, str]:
    return {name: choice.status for name, choice in choose(BASELINE, trials, RULES).items()}


def test_the_fastest_that_keeps_its_accuracy_is_chosen() -> None:
    slow, fast = _trial("openvino", (0.60, 0.62, 0.64)), _trial("cuda", (0.40, 0.41, 0.42))
    assert _statuses(slow, fast) == {"cpu-fp32": "baseline", "openvino-fp32": "accepted", "cuda-fp32": "chosen"}


def test_a_faster_one_that_loses_accuracy_is_rejected_with_the_loss() -> None:
    good, bad = _trial("openvino", (0.8, 0.81, 0.82)), _trial("cuda", (0.2, 0.21, 0.22), lost=30)
    choices = choose(BASELINE, [good, bad], RULES)
    assert choices["cuda-fp32"].status == "rejected"
    assert "3.0 points" in choices["cuda-fp32"].reason
    assert choices["openvino-fp32"].status == "chosen"


def test_fp32_stays_where_nothing_is_faster_for_sure() -> None:
    # One is slower; the other's interval holds 1: it may be faster only by chance.
    choices = choose(BASELINE, [_trial("openvino", (1.2, 1.25, 1.3)), _trial("cuda", (0.8, 0.9, 1.01))], RULES)
    assert {choice.status for choice in choices.values()} == {"baseline", "rejected"}
    assert "stays chosen" in choices["cpu-fp32"].reason


def test_a_gain_that_is_certain_but_tiny_is_not_worth_another_file() -> None:
    assert _statuses(_trial("openvino", (0.985, 0.990, 0.995)))["openvino-fp32"] == "rejected"


def test_what_the_images_cannot_prove_is_not_chosen_and_the_baseline_says_what_is_missing() -> None:
    few = _trial("openvino", (0.4, 0.41, 0.42), images=50)
    choices = choose(BASELINE, [few], RULES)
    assert choices["openvino-fp32"].status == "rejected"
    assert "50 images" in choices["openvino-fp32"].reason and "more could" in choices["openvino-fp32"].reason
    assert "--accept-unproven" in choices["cpu-fp32"].reason and "2.44 times" in choices["cpu-fp32"].reason
    assert _statuses(_trial("openvino", (0.4, 0.41, 0.42)))["openvino-fp32"] == "chosen"


def test_the_unproven_may_win_where_the_user_says_so_and_is_called_unproven() -> None:
    choices = choose(BASELINE, [_trial("openvino", (0.4, 0.41, 0.42), images=50)], LENIENT)
    assert choices["openvino-fp32"].status == "chosen"
    assert "Not proven" in choices["openvino-fp32"].reason
    assert "unproven" in choices["cpu-fp32"].reason
    # What is lost as seen is out all the same.
    assert (
        choose(BASELINE, [_trial("openvino", (0.4, 0.41, 0.42), lost=3, images=50)], LENIENT)["openvino-fp32"].status
        == "rejected"
    )


def test_where_the_time_left_images_out_the_advice_is_more_time_and_not_more_images() -> None:
    few = _trial("openvino", (0.4, 0.41, 0.42), images=50)
    assert "Add images" in choose(BASELINE, [few], RULES)["cpu-fp32"].reason
    advice = choose(BASELINE, [few], RULES, spare=950)["cpu-fp32"].reason
    assert "--time-budget (there are 950 more)" in advice and "Add images" not in advice


def test_a_search_that_tried_nothing_does_not_say_that_nothing_is_faster() -> None:
    untried, slow = Trial(TargetCandidate(provider="cuda")), _trial("openvino", (1.2, 1.25, 1.3))
    reason = choose(BASELINE, [slow, untried], RULES)["cpu-fp32"].reason
    assert "the time was over before 1 of 2 candidates were tried" in reason
    assert "no candidate" in choose(BASELINE, [slow], RULES)["cpu-fp32"].reason


def test_where_no_entrant_of_the_final_race_is_surely_faster_another_that_is_wins() -> None:
    raced = replace(_trial("openvino", (0.7, 0.8, 1.1)), finalist=True)
    other = _trial("cuda", (0.82, 0.84, 0.86))
    assert _statuses(raced, other)["cuda-fp32"] == "chosen"
    raced = replace(_trial("openvino", (0.88, 0.9, 0.92)), finalist=True)
    assert _statuses(raced, other) == {"cpu-fp32": "baseline", "openvino-fp32": "chosen", "cuda-fp32": "accepted"}


def test_without_labels_it_is_agreement_that_is_lost() -> None:
    bad = _trial("cuda", (0.2, 0.21, 0.22), lost=30)
    assert "3.0 points of top-1" in choose(BASELINE, [bad], RULES)["cuda-fp32"].reason
    unlabelled = replace(RULES, measure="agreement with fp32")
    assert "3.0 points of agreement with fp32" in choose(BASELINE, [bad], unlabelled)["cuda-fp32"].reason


def test_the_same_logits_need_no_image_to_prove_them() -> None:
    same = replace(_trial("openvino", (0.4, 0.41, 0.42), images=5), same_logits=True)
    assert _statuses(same)["openvino-fp32"] == "chosen"


def test_of_two_that_are_as_fast_the_one_that_predicts_more_like_fp32_is_chosen() -> None:
    # The faster one lost no image, as it happens; its probabilities lie further from fp32's all the same.
    faster = _trial("openvino", (0.40, 0.405, 0.41), distance=0.02)
    better = _trial("cuda", (0.405, 0.41, 0.415), lost=1, distance=0.01)
    choices = choose(BASELINE, [faster, better], RULES)
    assert choices["cuda-fp32"].status == "chosen"
    # Neither sentence claims what the figures beside it contradict.
    assert "nothing that does is surely faster: 2.44 times" in choices["cuda-fp32"].reason
    reason = choices["openvino-fp32"].reason
    assert "not surely faster than cuda-fp32 with 2.44 times (2.41 to 2.47), which predicts more like fp32" in reason
    slower = _trial("cuda", (0.42, 0.425, 0.43))
    assert _statuses(faster, slower)["openvino-fp32"] == "chosen"


def test_of_two_that_are_as_fast_the_proven_one_is_chosen_before_the_nearer_one() -> None:
    unproven = _trial("openvino", (0.40, 0.405, 0.41), images=50)
    proven = _trial("cuda", (0.405, 0.41, 0.415), distance=0.02)
    assert choose(BASELINE, [unproven, proven], LENIENT)["cuda-fp32"].status == "chosen"


def test_where_there_was_a_final_race_only_who_was_in_it_can_win() -> None:
    lucky = _trial("openvino", (0.30, 0.31, 0.32))
    finalist = replace(_trial("cuda", (0.40, 0.41, 0.42)), finalist=True)
    choices = choose(BASELINE, [lucky, finalist], RULES)
    assert [choices[f"{name}-fp32"].status for name in ("cpu", "openvino", "cuda")] == [
        "baseline",
        "accepted",
        "chosen",
    ]
    assert "timed at another moment than cuda-fp32" in choices["openvino-fp32"].reason
    assert "It is the fastest" in choices["cuda-fp32"].reason


def test_what_cannot_run_here_says_why_and_is_never_chosen() -> None:
    gone = Trial(TargetCandidate(provider="cuda"), FILE, setback=Setback("unavailable", "No GPU."))
    choice = choose(BASELINE, [gone], RULES)["cuda-fp32"]
    assert (choice.status, choice.reason) == ("unavailable", "No GPU.")


def test_what_was_fast_and_right_here_and_would_be_wrong_on_the_target_is_not_chosen() -> None:
    wrong = replace(_trial("openvino", (0.30, 0.31, 0.32)), setback=Setback("rejected", "Wrong there."), finalist=True)
    right = replace(_trial("cuda", (0.40, 0.41, 0.42)), finalist=True)
    choices = choose(BASELINE, [wrong, right], RULES)
    assert (choices["openvino-fp32"].status, choices["openvino-fp32"].reason) == ("rejected", "Wrong there.")
    assert choices["cuda-fp32"].status == "chosen"
    assert choose(BASELINE, [wrong], LENIENT)["openvino-fp32"].status == "rejected"


def test_what_was_not_timed_is_not_chosen() -> None:
    answers = paired(LABELS, LABELS, LABELS)
    untimed = Trial(TargetCandidate(provider="openvino"), FILE, accuracy=answers)
    untried = Trial(TargetCandidate(provider="cuda"), FILE)
    statuses = _statuses(untimed, untried)
    assert statuses["openvino-fp32"] == "accepted"
    assert statuses["cuda-fp32"] == "unavailable"


def test_what_was_too_slow_to_be_judged_says_so_and_is_not_chosen() -> None:
    winner = _trial("openvino", (0.40, 0.41, 0.42))
    unjudged = replace(_trial("cuda", (0.60, 0.61, 0.62)), accuracy=None)
    choice = choose(BASELINE, [winner, unjudged], RULES)["cuda-fp32"]
    assert choice.status == "skipped"
    assert "but openvino-fp32 is 2.44 times" in choice.reason and choice.reason.endswith("it was not judged.")
    assert _statuses(unjudged)["cuda-fp32"] == "unavailable"
    slower = replace(_trial("cuda", (1.1, 1.2, 1.3)), accuracy=None)
    assert _statuses(winner, slower)["cuda-fp32"] == "rejected"


def test_every_reason_is_a_sentence() -> None:
    trials = [_trial("openvino", (0.4, 0.5, 0.6), images=40), _trial("cuda", (0.4, 0.5, 0.6), lost=90)]
    for choice in choose(BASELINE, trials, RULES).values():
        assert choice.reason[0].isupper() or choice.reason.startswith("openvino")
        assert choice.reason.endswith(".")
