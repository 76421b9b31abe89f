"""Explaining a candidate: each node once, what runs in int8 as ONNX Runtime has it, and errors that mean something."""

from __future__ import annotations

import collections
import json
from pathlib import Path

import pytest

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")
pytest.importorskip("torch")

from onnx import numpy_helper  # noqa: E402

from edgetl import recipes, runs  # noqa: E402
from edgetl.artifacts import Candidate, QuantizeResult  # noqa: E402
from edgetl.dataset import Dataset, scan  # noqa: E402
from edgetl.device.machine import cpu_model  # noqa: E402
from edgetl.errors import UsageError  # noqa: E402
from edgetl.files import sha256_file  # noqa: E402
from edgetl.graph import metadata  # noqa: E402
from edgetl.progress import Silent  # noqa: E402
from edgetl.quantization.calibration.images import Calibration  # noqa: E402
from edgetl.quantization.explain import explain  # noqa: E402
from edgetl.quantization.explain.values import Explanation  # noqa: E402
from edgetl.quantization.make import Workshop  # noqa: E402
from edgetl.quantization.pairs import in_float  # noqa: E402
from edgetl.recipes import Recipe  # noqa: E402
from tests import trained_run  # noqa: E402

pytestmark = [pytest.mark.training, pytest.mark.engine]

RECIPE = recipes.load("u8s8-minmax").model_copy(update={"samples": 4})
NAME = "cpu-int8"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a MobileNetV2 and photos to calibrate it by."""
    root = tmp_path_factory.mktemp("explain")
    folder = trained_run.exported_run(root)
    # The photos of the shared run are where it was made first.
    trained_run.draw_photos(root / "photos")
    scan(root / "photos").save(folder)
    return folder


@pytest.fixture(scope="module")
def whole(run: Path) -> Explanation:
    """The explanation of all that the recipe quantizes."""
    return _explained(run, RECIPE)


def _workshop(run: Path) -> Workshop:
    model = run / "model.onnx"
    images = Calibration(Dataset.load(run), metadata.read(model).preprocess, RECIPE.samples, 0)
    return Workshop(model, run / "candidates", images)


def _row(run: Path, path: Path | None, **given: object) -> Candidate:
    values = {"name": NAME, "provider": "cpu", "precision": "int8", "size_bytes": 1, "status": "chosen", "reason": "-"}
    file = {
        "path": path.relative_to(run).as_posix() if path else "",
        "sha256": sha256_file(path) if path else "",
    }
    return Candidate.model_validate(values | file | given)


def _fp32(run: Path, status: str = "baseline") -> Candidate:
    return _row(run, run / "model.onnx", name="cpu-fp32", precision="fp32", status=status)


def _save(run: Path, *rows: Candidate) -> None:
    QuantizeResult(
        run=str(run),
        inputs="",
        seconds=0.0,
        target="host",
        chosen=next((row.name for row in rows if row.status == "chosen"), rows[0].name),
        measured_on=cpu_model(),
        images=1,
        candidates=rows,
        timings="",
        parent_sha256=runs.exported(run).sha256,
    ).save(run)


def _made(run: Path, recipe: Recipe) -> Path:
    path = _workshop(run).make(recipe)
    assert isinstance(path, Path)
    return path


def _explained(run: Path, recipe: Recipe) -> Explanation:
    _save(run, _fp32(run), _row(run, _made(run, recipe), recipe=recipe.name))
    return explain(run, None, Silent())


def _left_in_float(run: Path, names: tuple[str, ...], suffix: str) -> Explanation:
    """Return the explanation of what `mend` and `mix` make: nodes of these names put back into float."""
    workshop = _workshop(run)
    recipe = RECIPE.model_copy(update={"name": f"{RECIPE.name}-{suffix}", "exclude_nodes": names})
    path = workshop.put(recipe, in_float(*workshop.taken_apart(RECIPE), names))
    _save(run, _row(run, path, recipe=recipe.name))
    return explain(run, None, Silent())


def _counts(path: Path, tmp_path: Path) -> collections.Counter[str]:
    """Return how many nodes of each operator ONNX Runtime runs."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return collections.Counter(node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node)


def test_every_node_that_computes_is_listed_once_in_order(run: Path, whole: Explanation) -> None:
    graph = onnx.load(run / "candidates" / f"{RECIPE.name}.onnx").graph
    computing = [node.name for node in graph.node if node.op_type not in ("QuantizeLinear", "DequantizeLinear")]
    assert [node.name for node in whole.nodes] == computing
    assert whole.int8_nodes + whole.float_nodes == len(computing)


def test_only_the_image_is_in_float_and_it_says_why(whole: Explanation) -> None:
    floats = {node.op_type: node.why for node in whole.nodes if node.runs_in == "float"}
    assert set(floats.values()) == {"before the first int8 tensor"}
    assert set(floats) <= {"Transpose", "Cast", "Sub"}
    assert whole.int8_macs == 1.0
    assert all((node.why is None) == (node.runs_in == "int8") for node in whole.nodes)


@pytest.mark.parametrize("name", ["u8s8-minmax", "s8s8-symmetric"])
def test_int8_is_what_onnx_runtime_runs_in_int8(run: Path, name: str, tmp_path: Path) -> None:
    recipe = recipes.load(name).model_copy(update={"samples": 4})
    found = collections.Counter(node.op_type for node in _explained(run, recipe).nodes if node.runs_in == "int8")
    ran = _counts(_made(run, recipe), tmp_path)
    assert (found["Conv"], found["Add"], found["Gemm"]) == (ran["QLinearConv"], ran["QLinearAdd"], ran["QGemm"])


def test_ranges_and_weights_belong_to_the_tensor(whole: Explanation) -> None:
    clips = [node for node in whole.nodes if node.op_type == "Clip"]
    for node in clips:
        assert node.seen is not None and node.quantized is not None
        assert 0 <= node.seen[0] <= node.seen[1] <= 6
        assert node.quantized[0] == 0 and node.quantized[1] == pytest.approx(node.seen[1], rel=0.1)
    for node in whole.nodes:
        assert (node.weights is not None) == (node.op_type in ("Conv", "Gemm")) == (node.macs > 0)
        assert node.weights is None or (node.weights.low < 0 < node.weights.high and node.weights.spread >= 1)


def test_nodes_left_in_float_say_which_search_left_them(run: Path, whole: Explanation) -> None:
    names = tuple(node.name for node in whole.nodes if node.op_type in ("Conv", "Clip"))[:4]
    mended, mixed = (_left_in_float(run, names, suffix) for suffix in ("float1", "mix01"))
    for shown, why in ((mended, "on purpose: it lost too much"), (mixed, "on purpose: faster so")):
        assert {node.name for node in shown.nodes if node.why == why} == set(names)
        assert shown.int8_macs is not None and shown.int8_macs < 1


def test_an_operator_that_the_recipe_leaves_out(run: Path) -> None:
    recipe = RECIPE.model_copy(update={"name": "no-gemm", "exclude_operators": ("Gemm",)})
    assert [node.why for node in _explained(run, recipe).nodes if node.op_type == "Gemm"] == [
        "recipe leaves out operator"
    ]


def test_the_error_is_small_in_float_and_grows_with_what_is_quantized(run: Path, whole: Explanation) -> None:
    names = [node.name for node in whole.nodes if node.why is None]
    last = _left_in_float(run, tuple(names[:-1]), "float2")
    assert last.logits_sqnr_db is not None and whole.logits_sqnr_db is not None
    assert last.logits_sqnr_db > 30 > whole.logits_sqnr_db
    assert last.agreement == 1
    assert all(node.exact or (node.sqnr_db or 0) > 60 for node in last.nodes[1:-2])


def test_coarser_weights_err_more(run: Path, whole: Explanation) -> None:
    coarse = _explained(run, RECIPE.model_copy(update={"name": "coarse", "reduce_range": True}))
    pairs = [
        (first.sqnr_db, other.sqnr_db)
        for first, other in zip(whole.nodes, coarse.nodes, strict=True)
        if first.sqnr_db and other.sqnr_db and first.op_type == "Conv"
    ]
    assert sum(first > other for first, other in pairs) > 0.9 * len(pairs)


def test_a_wrong_scale_shows_at_its_node(run: Path, whole: Explanation) -> None:
    recipe = RECIPE.model_copy(update={"name": "sabotaged"})
    model = onnx.load(_made(run, recipe))
    victim = [node for node in whole.nodes if node.op_type == "Add"][3]
    tensor = next(node.output[0] for node in model.graph.node if node.name == victim.name)
    pair = next(node for node in model.graph.node if tensor in node.input and node.op_type == "QuantizeLinear")
    scale = next(each for each in model.graph.initializer if each.name == pair.input[1])
    scale.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(scale) * 40, scale.name))
    onnx.save(model, run / "candidates" / "sabotaged.onnx")
    _save(run, _row(run, run / "candidates" / "sabotaged.onnx", recipe="sabotaged"))
    before = {node.name: node for node in whole.nodes}
    drops = {
        node.name: before[node.name].sqnr_db - node.sqnr_db
        for node in explain(run, None, Silent()).nodes
        if node.sqnr_db is not None and before[node.name].sqnr_db is not None
    }
    first = next(name for name, drop in drops.items() if drop > 3)
    assert first == victim.name


def test_json_comes_back_as_it_was(whole: Explanation) -> None:
    text = json.dumps(whole.model_dump(mode="json"), allow_nan=False)
    assert Explanation.model_validate_json(text) == whole
    assert len(whole.worst) == 5
    lowest = min(node.sqnr_db for node in whole.nodes if node.sqnr_db is not None)
    assert next(node for node in whole.nodes if node.name == whole.worst[0]).sqnr_db == lowest


def test_without_a_name_the_fastest_int8_candidate_that_keeps_its_accuracy(run: Path) -> None:
    path = _made(run, RECIPE)
    rows = [
        _row(run, path, name=f"int8-{speed}", status=status, speedup=speed, recipe=RECIPE.name)
        for speed, status in ((1.1, "accepted"), (1.5, "accepted"), (2.0, "rejected"))
    ]
    _save(run, _fp32(run, "chosen"), *rows)
    shown = explain(run, None, Silent())
    assert shown.candidate == "int8-1.5"
    assert "cpu-fp32 is chosen" in shown.because and "fastest" in shown.because


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cpu-int9", "Did you mean 'cpu-int8'"),
        ("cpu-fp32", "computes everything in fp32"),
        ("no-file", "has no file"),
        ("ir", "OpenVINO"),
    ],
)
def test_what_has_no_int8_graph_is_refused_and_another_one_named(run: Path, name: str, said: str) -> None:
    archive = run / "candidates" / "ir.zip"
    archive.write_bytes(b"")
    rows = (
        _row(run, _made(run, RECIPE), recipe=RECIPE.name),
        _row(run, archive, name="ir", status="accepted"),
        _row(run, None, name="no-file", status="unavailable"),
    )
    _save(run, _fp32(run), *rows)
    with pytest.raises(UsageError, match=said) as caught:
        explain(run, name, Silent())
    assert NAME in str(caught.value)


def test_a_run_without_int8_says_so(run: Path) -> None:
    _save(run, _fp32(run, "chosen"))
    with pytest.raises(UsageError, match="nothing to explain"):
        explain(run, None, Silent())
