"""What a report shows of a run: pure functions, so that each test says only what it is about."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from edgetl.artifacts import Accuracy, CheckResult, Latency, QuantizeResult
from edgetl.gather.values import Gathered
from edgetl.quantization.explain.values import Explanation, NodeExplanation
from edgetl.reporting.view.blocks import Absent, Chart, Gallery, Notes, Section, Table
from edgetl.reporting.view.charts import tradeoff
from edgetl.reporting.view.charts.labels import placed
from edgetl.reporting.view.charts.theme import WIDE
from edgetl.reporting.view.charts.tradeoff import Point
from edgetl.reporting.view.classes import section as classes
from edgetl.reporting.view.comparison import section as comparison
from edgetl.reporting.view.nodes import section as nodes
from edgetl.reporting.view.page import page
from edgetl.reporting.view.pictures import section as pictures
from edgetl.reporting.view.tradeoff import near_enough
from edgetl.reporting.view.verdict import banner
from edgetl.reporting.view.verdict import section as verdict
from tests.reporting.check_result import check_result, drop, flip, latency, of_class
from tests.reporting.made_up_run import full_run

vl_convert = pytest.importorskip("vl_convert")

T = TypeVar("T")
NOTHING = Gathered("runs/bees", unexplained="Run `edgetl quantize`.")


def judged(check: CheckResult) -> Gathered:
    return replace(NOTHING, check=check)


def accuracy(check: CheckResult, **changes: object) -> Accuracy:
    return check.accuracy.model_copy(update=changes)


@pytest.mark.parametrize(
    ("ratio", "lost", "sentence"),
    [
        (
            0.5,
            0.012,
            "cpu-int8 is 2.00 times as fast as cpu-fp32 and loses 1.2 points of top-1; both budgets",
        ),
        (1.5, -0.01, "cpu-int8 takes 1.50 times as long as cpu-fp32 and gains 1.0 points of top-1; both budgets are"),
        (0.5, 0.0, "cpu-int8 is 2.00 times as fast as cpu-fp32 and keeps its top-1; both budgets are kept."),
    ],
)
def test_the_verdict_is_one_sentence(ratio: float, lost: float, sentence: str) -> None:
    check = check_result()
    check = check.model_copy(
        update={
            "latency": Latency(ratio=ratio, ci=(ratio, ratio), budget=1.05),
            "accuracy": accuracy(check, drop=lost),
        }
    )
    said = banner(judged(check))
    assert (said.tone, said.word) == ("pass", "Pass")
    assert said.sentence.startswith(sentence)


def test_where_nobody_labelled_the_images_nobody_claims_a_top_1() -> None:
    check = check_result()
    check = check.model_copy(update={"accuracy": accuracy(check, labelled_by="model")})
    assert "loses 0.4 points of agreement with it" in banner(judged(check)).sentence


def test_a_verdict_that_is_no_pass_says_why() -> None:
    said = banner(judged(check_result(latency("fail"), drop())))
    assert (said.tone, said.word) == ("fail", "Fail")
    assert said.sentence.endswith("1 of 2 budgets exceeded: latency.")
    assert said.notes == ("Latency is 0.520 times.",)


def test_a_verdict_on_candidates_that_were_made_again_is_out_of_date(tmp_path: Path) -> None:
    run = full_run(tmp_path)
    check, quantized = CheckResult.load(run), QuantizeResult.load(run)
    fresh = replace(judged(check), quantize=quantized.model_copy(update={"created": check.created}))
    assert (banner(fresh).tone, banner(fresh).word) == ("pass", "Pass")
    said = banner(replace(fresh, check=check.model_copy(update={"created": "2001-01-01T00:00:00+00:00"})))
    assert (said.tone, said.word) == ("muted", "Out of date: pass")
    assert said.notes[0].endswith("Run `edgetl check` again.")


def test_the_baseline_that_stays_is_not_compared_with_itself() -> None:
    check = check_result().model_copy(update={"candidate": "cpu-fp32"})
    assert banner(judged(check)).sentence.startswith("cpu-fp32 is the baseline itself")


def test_what_a_run_does_not_have_is_told_with_the_command_that_makes_it() -> None:
    shown = page([judged(check_result())], "").runs[0]
    assert [section.key for section in shown.sections] == ["verdict", "images", "lineage"]
    reasons = {each.title: each.reason for each in shown.absent}
    assert "edgetl quantize" in reasons["Accuracy against latency"]
    assert "edgetl bench" in reasons["What really ran where"]
    nothing = page([NOTHING], "").runs[0]
    assert nothing.banner.notes == ("Run `edgetl check` for a verdict.",)
    assert all("edgetl" in each.reason for each in nothing.absent)


def test_sections_of_several_runs_have_keys_of_their_own() -> None:
    runs = page([judged(check_result()), replace(judged(check_result()), name="runs/wasps")], "").runs
    assert len({run.key for run in runs}) == 2


def test_runs_that_do_not_compare_are_said_not_to() -> None:
    one, other = check_result(), check_result(machine={"cpu": "Another CPU"})
    same = comparison([judged(one), judged(one)])
    assert not [block for block in same.blocks if isinstance(block, Notes)]
    (notes,) = [block for block in comparison([judged(one), judged(other)]).blocks if isinstance(block, Notes)]
    assert notes.sentences[0].startswith("Latencies do not compare: they are of 2 machines")


def test_more_flips_than_fit_are_counted() -> None:
    check = check_result(flips=tuple(flip(path=f"{index}.png") for index in range(40)))
    shown = pictures(judged(check))
    (gallery,) = _blocks(shown, Gallery)
    assert len(gallery.pictures) + gallery.more == 40
    assert gallery.more > 0


def test_int8_is_shown_node_by_node() -> None:
    found = (
        NodeExplanation(name="conv_0", op_type="Conv", runs_in="float", why="recipe leaves it out", sqnr_db=50.0),
        NodeExplanation(name="conv_1", op_type="Conv", runs_in="int8", sqnr_db=15.0),
        NodeExplanation(name="shape", op_type="Shape", runs_in="float", exact=True),
    )
    explanation = Explanation(
        run="", candidate="cpu-int8", because="chosen for host", provider="cpu", recipe="", images=16,
        logits_sqnr_db=20.0, agreement=1.0, int8_nodes=1, float_nodes=2, int8_macs=0.9, worst=("conv_1",), nodes=found,
    )  # fmt: skip
    shown = nodes(replace(NOTHING, explanation=explanation))
    (chart,) = _blocks(shown, Chart)
    assert "conv_1 (15.0 dB)" in chart.text
    assert chart.table is not None
    assert [[cell.text for cell in row][:4] for row in chart.table.rows] == [
        ["conv_0", "Conv", "float", "50.0"],
        ["conv_1", "Conv", "int8", "15.0"],
        ["shape", "Shape", "float", "exact"],
    ]
    absent = nodes(replace(NOTHING, unexplained="Not today."))
    assert absent == Absent("What int8 costs, node by node", "Not today.")


def test_a_hopeless_candidate_does_not_squeeze_the_others_and_is_counted() -> None:
    def point(status: str, top1: float) -> Point:
        return Point(f"{status}-{top1}", status, 2.0, top1, None, front=False)

    kept = (point("baseline", 94.0), point("chosen", 93.5), point("rejected", 91.0))
    assert near_enough((*kept, point("rejected", 20.0))) == kept
    assert near_enough((point("rejected", 20.0),)) == (point("rejected", 20.0),)


@pytest.mark.parametrize("accuracies", [(100.0, 40.0), (100.0, 100.0), (99.7, 99.5)])
def test_no_axis_promises_more_than_all(accuracies: tuple[float, ...]) -> None:
    points = [Point(str(top1), "accepted", 2.0 + top1 / 100, top1, None, front=True) for top1 in accuracies]
    drawn = vl_convert.vegalite_to_svg(tradeoff.spec(points, WIDE))
    shown = [float(text) for text in re.findall(r">(\d+(?:\.\d+)?)</text>", drawn)]
    assert max(shown) == pytest.approx(100.0) or max(shown) < 100.0


def test_a_target_of_ones_own_is_shown_without_its_folder() -> None:
    check = check_result(drop("fail"), target="/home/me/factory/line.toml")
    tables = [block.caption for block in _blocks(verdict(judged(check)), Table)]
    assert tables == ["Budgets of target line.toml"]


def test_only_classes_that_lose_something_are_listed() -> None:
    (table,) = _blocks(classes(judged(check_result(classes=(of_class("dent", 0.1), of_class("hole", 0.0))))), Table)
    assert [row[0].text for row in table.rows] == ["dent"]
    (notes,) = _blocks(classes(judged(check_result(classes=(of_class("dent", 0.0),)))), Notes)
    assert notes.sentences == ("By the candidate none of the classes loses anything.",)


def test_labels_are_clear_of_each_other_and_of_points() -> None:
    points = [(100.0, 50.0), (104.0, 52.0), (108.0, 54.0), (290.0, 50.0)]
    labels = placed([(f"candidate-{index}", x, y) for index, (x, y) in enumerate(points)], 320, points)
    assert not [(one, other) for one in labels for other in labels if one is not other and one.covers(other)]
    assert labels[-1].ends, "beside the right edge a label stands on the left"
    for label in labels:
        assert not [point for point in points if label.holds(*point) and point != (label.x, label.y)]


def _blocks(section: Section | Absent, kind: type[T]) -> list[T]:
    assert isinstance(section, Section)
    return [block for block in section.blocks if isinstance(block, kind)]
