"""Bad input of every kind: one sentence that names it and says what to do, exit code 2, and nothing lost."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

from tests.cli.hostile import COMMAND, Said, contents, invoke, photos, run, small_run  # noqa: E402
from tests.photos import photo  # noqa: E402

pytestmark = [pytest.mark.training, pytest.mark.engine]

TINY = ("--arch", "squeezenet1_1", "--weights", "none")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos and a finetuned and exported run."""
    root = tmp_path_factory.mktemp("bad-input")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGETL_CACHE", str(root / "cache"))
        folder = small_run(root)
        from edgetl.exporting import ExportSettings, export
        from edgetl.progress import Silent

        patch.chdir(root)
        export(ExportSettings(folder.relative_to(root)), Silent())
    shutil.rmtree(root / "cache")
    return root


@pytest.fixture
def work(template: Path) -> Path:
    """The current folder, with a copy of the template's photos and run in it."""
    shutil.copytree(template, Path.cwd(), dirs_exist_ok=True, symlinks=True)
    return Path.cwd()


@pytest.fixture(autouse=True)
def _nothing_is_lost(request: pytest.FixtureRequest) -> Iterator[None]:
    """Compare the run before and after a test that has one: refused input changes nothing."""
    if "work" not in request.fixturenames:
        yield
        return
    runs = request.getfixturevalue("work") / "runs"
    yield
    if "changes_the_run" not in request.fixturenames:
        original = contents(request.getfixturevalue("template") / "runs")
        assert contents(runs) == original


@pytest.fixture
def changes_the_run() -> None:
    """Ask for no comparison: the test itself damages the run."""


def refused(*arguments: str) -> str:
    """Return the sentence with which a command is refused, having checked that it left nothing behind."""
    before = contents(Path.cwd())
    said = invoke(*arguments)
    assert (said.code, said.out) == (2, ""), said
    assert contents(Path.cwd()) == before, "a refused command leaves nothing behind and takes nothing away"
    return said.error


# --- images -----------------------------------------------------------------------------------------------------------


def _empty(root: Path) -> None:
    root.mkdir()


def _one_class(root: Path) -> None:
    photos(root)
    shutil.rmtree(root / "red")
    shutil.rmtree(root / "green")


def _one_image(root: Path) -> None:
    photos(root, 3)
    photo(root / "lonely" / "only.png")


def _junk_only(root: Path) -> None:
    for name in ("a", "b"):
        (root / name).mkdir(parents=True)
        for index in range(3):
            (root / name / f"{index}.jpg").write_bytes(b"this is no image")


def _loose_images(root: Path) -> None:
    photo(root / "a.png")


def _empty_class(root: Path) -> None:
    photos(root, 3)
    (root / "nothing").mkdir()


def _text_file(root: Path) -> None:
    root.write_text("these are no images", encoding="utf-8")


def _nothing(root: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_nothing, ("no such file", "--data")),
        (_empty, ("is empty", "one folder per class")),
        (_one_class, ("'blue'", "at least two", "folder of its own")),
        (_one_image, ("'lonely'", "needs two", "Add images")),
        (_junk_only, ("pictures",)),
        (_loose_images, ("no class folders", "one folder per class")),
        (_empty_class, ("nothing", "holds no files", "Add images")),
        (_text_file, ("no manifest", ".csv or .jsonl")),
    ],
)
@pytest.mark.parametrize("command", ["finetune", "run"])
def test_a_folder_that_is_no_data_set(command: str, make: Callable[[Path], None], words: tuple[str, ...]) -> None:
    make(Path("pictures"))
    sentence = refused(command, "--data", "pictures", *TINY)
    assert "pictures" in sentence
    assert all(word in sentence for word in words), sentence


@pytest.fixture
def with_junk(tmp_path: Path) -> Path:
    """Photos, and four files among them that cannot be used."""
    root = photos(tmp_path / "pictures", 4)
    whole = photo(root / "red" / "whole.jpg").read_bytes()
    (root / "red" / "whole.jpg").unlink()
    (root / "red" / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (root / "green" / "zero.png").touch()
    (root / "green" / "notes.txt").write_text("cropped on Tuesday", encoding="utf-8")
    (root / "blue" / "junk.jpg").write_bytes(bytes(range(256)))
    return root


def test_unusable_images_are_skipped_and_counted(with_junk: Path) -> None:
    said = invoke("finetune", "--data", str(with_junk), *TINY, "--json")
    assert said.code == 0, said.err
    assert said.json["skipped_images"] == 4
    assert "4 of 16" in said.err
    assert "and 1 more" in said.err


def test_strict_refuses_unusable_images(with_junk: Path) -> None:
    sentence = refused("finetune", "--data", str(with_junk), *TINY, "--strict")
    assert "4 of 16" in sentence
    assert "Remove them, or leave out --strict" in sentence


def test_a_folder_that_may_not_be_read(tmp_path: Path) -> None:
    root = photos(tmp_path / "pictures", 3)
    (root / "red").chmod(0)
    try:
        if (
            subprocess.run([*_as_others_do(), "ls", str(root / "red")], capture_output=True, check=False).returncode
            == 0
        ):
            pytest.skip("this user may read every folder")
        done = subprocess.run(
            [*_as_others_do(), *COMMAND, "finetune", "--data", str(root), *TINY],
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        (root / "red").chmod(0o755)
    said = Said(done.returncode, done.stdout, done.stderr)
    assert said.code == 2
    assert said.error == f"The folder {root / 'red'} cannot be read: permission denied."
    assert list(Path.cwd().iterdir()) == []


def _as_others_do() -> list[str]:
    """Return what takes root's right to read everything from a command."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        return []
    rights = "-dac_override,-dac_read_search"
    return ["setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}"]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("m.csv", "", ("path,label",)),
        ("m.csv", "file,class\na.png,red\n", ("path,label", "file,class")),
        ("m.csv", "path,label\n", ("lists no images",)),
        ("m.csv", "path,label\n,red\n", ("line 2", "no path")),
        ("m.csv", "path,label,split\na.png,red,tarin\n", ("line 2", "'tarin'", "Did you mean 'train'?")),
        ("m.csv", "path,label,split\na.png,red,train\nb.png,red,\n", ("for some images only",)),
        ("m.csv", "path,label\n0.png,a\n1.png,b\n", ("0.png (no such file)",)),
        ("m.csv", b"path,label\n\xff\xfe.png,red\n", ("UTF-8",)),
        ("m.jsonl", '{"path": "a.png", "label"\n', ("line 1", "not JSON")),
        ("m.jsonl", '["a.png", "red"]\n', ("line 1", "no object")),
        ("m.jsonl", '{"path": "a.png", "lable": "red"}\n', ("line 1", "no label")),
    ],
)
def test_a_manifest_that_makes_no_sense(name: str, text: str | bytes, words: tuple[str, ...]) -> None:
    Path(name).write_bytes(text if isinstance(text, bytes) else text.encode())
    sentence = refused("finetune", "--data", name, *TINY)
    assert name in sentence
    assert all(word in sentence for word in words), sentence


def test_missing_files_of_a_manifest_are_named(tmp_path: Path) -> None:
    root = photos(tmp_path / "pictures", 3)
    lines = [f"{path.relative_to(root)},{path.parent.name}" for path in sorted(root.rglob("*.png"))]
    (root / "m.csv").write_text("\n".join(["path,label", *lines, "../nowhere/gone.png,red"]), encoding="utf-8")
    sentence = refused("finetune", "--data", str(root / "m.csv"), *TINY, "--strict")
    assert "1 of 10" in sentence
    assert "nowhere/gone.png (no such file)" in sentence


# --- names and numbers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("finetune", "--data", "photos", "--arch", "resnet81"), ("'resnet81'", "Did you mean 'resnet18'?")),
        (("run", "--data", "photos", "--arch", "MobileNetV2"), ("'MobileNetV2'", "mobilenet_v2")),
        (("run", "--data", "photos", *TINY, "--target", "raspbery-pi-4"), ("Did you mean 'raspberry-pi-4'?",)),
        (("run", "--data", "photos", *TINY, "--provider", "opnvino"), ("Did you mean 'openvino'?",)),
        (("quantize", "--target", "jetson-orin"), ("'jetson-orin'", "Did you mean 'jetson-orin-nano'?")),
        (("quantize", "--target", "missing.toml"), ("'missing.toml'",)),
        (("quantize", "--max-drop", "lots"), ("'lots'", "0.5%")),
        (("quantize", "--max-drop", "150%"), ("'150%'", "0.5%")),
        (("quantize", "--max-drop", "-1%"), ("'-1%'", "0.5%")),
        (("quantize", "--time-budget", "soon"), ("'soon'", "90s")),
        (("quantize", "--time-budget", "0"), ("'0'", "90s")),
        (("quantize", "--time-budget", "-5s"), ("'-5s'", "90s")),
        (("quantize", "--labels", "labels.csv"), ("--labels", "edgetl quantize model.onnx")),
        (("quantize", "missing.onnx"), ("missing.onnx", "--calibration")),
        (("quantize", "missing.onnx", "--calibration", "photos"), ("missing.onnx",)),
        (("quantize", "photos/red/000.png", "--calibration", "photos"), ("000.png", "ONNX")),
        (("quantize", "--on", "ssh://"), ("'ssh://'", "ssh://user@host")),
        (("quantize", "--explain"), ("quantize.json", "`edgetl quantize`")),
        (("bench", "--time-budget", "nan"), ("'nan'", "90s")),
        (("bench",), ("quantize.json", "`edgetl quantize`")),
        (("check",), ("quantize.json", "`edgetl quantize`")),
        (("check", "--run", "smal"), ("'smal'", "Did you mean 'small'?")),
        (("export", "--run", "photos"), ("photos", "`edgetl finetune`")),
        (("finetune", "--data", "photos", *TINY, "--out", "photos/red/000.png"), ("photos/red/000.png", "--out")),
        (("finetune", "--data", "photos", *TINY, "--out", "photos/red/000.png/run"), ("000.png", "--out")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_names_and_numbers_that_make_no_sense(work: Path, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    sentence = refused(*arguments)
    assert all(word in sentence for word in words), sentence


@pytest.mark.parametrize("command", ["export", "quantize", "bench", "check"])
def test_a_stage_before_the_first(command: str) -> None:
    assert "`edgetl run --data FOLDER`" in refused(command)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('seed = "one"', ("seed", "one")),
        ('[quantize]\ntime_budgt = "9s"', ("edgetl.toml", "Did you mean 'time-budget'?")),
        ("[finetune]\nepochs = [1, 2]", ("edgetl.toml", "epochs' takes one value")),
        ("[finetune]\nepochs = 0", ("edgetl.toml", "--epochs")),
        ("[finetune]\nunfreze = 2", ("edgetl.toml", "Did you mean 'unfreeze'?")),
        ('target = "raspbery-pi-4"', ("Did you mean 'raspberry-pi-4'?",)),
        ("\x00", ("edgetl.toml", "TOML")),
    ],
)
def test_settings_that_make_no_sense(work: Path, text: str, words: tuple[str, ...]) -> None:
    Path("edgetl.toml").write_text(text, encoding="utf-8")
    said = invoke("quantize" if "target" in text or "quantize" in text else "finetune")
    assert said.code == 2
    assert all(word in said.err for word in words), said.err


def test_a_misspelt_key_of_a_target_file(work: Path) -> None:
    Path("mine.toml").write_text('name = "mine"\ndescription = "x"\nthread = 1\n[machine]\narchitecture = "arm64"\n')
    sentence = refused("quantize", "--target", "mine.toml")
    assert "mine.toml" in sentence
    assert "Did you mean 'threads'?" in sentence


# --- weights ----------------------------------------------------------------------------------------------------------


class Malice:
    """Pickles to a call that leaves a file behind."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("executed",)


def _pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps(Malice()))


def _torch_pickle(path: Path) -> None:
    torch.save({"state_dict": Malice()}, path)


def _text(path: Path) -> None:
    path.write_text("no weights", encoding="utf-8")


def _zero(path: Path) -> None:
    path.touch()


def _numbers(path: Path) -> None:
    torch.save({"accuracy": 0.9}, path)


def _other_network(path: Path) -> None:
    from edgetl.backbones import BACKBONES, build_empty

    torch.save(build_empty(BACKBONES["mobilenet_v2"]).to_empty(device="cpu").state_dict(), path)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_nothing, ("There are no weights",)),
        (_pickle, ("was not executed", "torch.save(model.state_dict()")),
        (_torch_pickle, ("was not executed", "torch.save(model.state_dict()")),
        (_text, ("was not executed", "safetensors")),
        (_zero, ("was not executed", "safetensors")),
        (_numbers, ("state dict",)),
        (_other_network, ("missing (features.", "unknown (features.", "--arch mobilenet_v2")),
    ],
)
def test_weights_that_are_none(make: Callable[[Path], None], words: tuple[str, ...]) -> None:
    photos(Path("photos"), 3)
    make(Path("w.pth"))
    sentence = refused("finetune", "--data", "photos", "--arch", "squeezenet1_1", "--weights", "w.pth")
    assert "w.pth" in sentence
    assert all(word in sentence for word in words), sentence
    assert not Path("executed").exists()


def test_imagenet_weights_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos(Path("photos"), 3)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    # Nothing listens at this port, so that nothing outside is asked.
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    before = contents(Path.cwd())
    said = invoke("finetune", "--data", "photos", "--arch", "squeezenet1_1", "--weights", "imagenet")
    assert said.code == 2
    for way in ("--weights FILE", "--weights embedded", "--weights none", str(tmp_path / "torch")):
        assert way in said.error
    assert contents(Path.cwd()) == before
    assert list((tmp_path / "torch").rglob("*.pth")) == [], "no half a file that a later run takes for the weights"


# --- runs -------------------------------------------------------------------------------------------------------------


def _edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "command"),
    [("finetune.json", "export"), ("data.json", "export"), ("export.json", "quantize"), ("finetune.json", "quantize")],
)
def test_a_run_of_a_newer_version(work: Path, changes_the_run: None, file: str, command: str) -> None:
    _edit(work / "runs/small" / file, schema_version=99, edgetl="9.9")
    sentence = refused(command)
    assert file in sentence
    assert "Upgrade edgetl" in sentence


def test_a_newer_artifact_with_keys_of_its_own(work: Path, changes_the_run: None) -> None:
    _edit(work / "runs/small/data.json", schema_version=99, licences=["MIT"])
    sentence = refused("export")
    assert "newer edgetl" in sentence


@pytest.mark.parametrize(
    ("file", "command", "mend"),
    [
        ("classifier.safetensors", "export", "`edgetl finetune`"),
        ("model.onnx", "quantize", "`edgetl export`"),
        ("classifier.safetensors", "quantize", "`edgetl finetune`"),
    ],
)
@pytest.mark.parametrize("harm", ["tamper", "truncate", "remove"])
def test_a_model_file_that_was_touched(
    work: Path, changes_the_run: None, harm: str, file: str, command: str, mend: str
) -> None:
    path = work / "runs/small" / file
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.unlink()
    if harm != "remove":
        path.write_bytes(data if harm == "tamper" else data[:1000])
    sentence = refused(command)
    assert file in sentence
    assert mend in sentence


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema_version": 1}', '{"schema_version": "x"}', "\x00\xff"])
def test_a_damaged_artifact(work: Path, changes_the_run: None, text: str) -> None:
    (work / "runs/small/finetune.json").write_bytes(text.encode("latin-1"))
    sentence = refused("export")
    assert "finetune.json" in sentence


def test_images_that_went_away(work: Path, changes_the_run: None) -> None:
    _edit(work / "runs/small/data.json", root=str(work / "elsewhere"))
    sentence = refused("quantize")
    assert str(work / "elsewhere") in sentence


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos(Path("photos"), 3)
    (tmp_path / "file").touch()
    monkeypatch.setenv("EDGETL_CACHE", str(tmp_path / "file" / "cache"))
    sentence = refused("finetune", "--data", "photos", *TINY)
    assert str(tmp_path / "file" / "cache") in sentence
    assert "$EDGETL_CACHE" in sentence


def test_real_processes_refuse_alike(work: Path) -> None:
    said = run("check", "--json")
    assert said.code == 2
    docs = "troubleshooting#runs"
    assert said.json["error"] == {"message": said.error, "exit_code": 2, "docs": docs}
