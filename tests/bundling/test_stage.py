"""From a run to a bundle, and whether it is what it says: with scripted models, on the real command line."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from edgetl.cli import main
from edgetl.device.bundle.opened import SIGNATURE, SUMS, Bundle
from edgetl.gate.sides import by_itself
from tests.bundles import encoded
from tests.measure.scripted_run import MS, scripted_run


def invoke(*arguments: str) -> tuple[int, dict[str, Any], str]:
    """Return the exit code, the object on stdout and what was said on stderr."""
    result = CliRunner().invoke(main, [*arguments, "--json"])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, json.loads(result.stdout), result.stderr


def run_of(tmp_path: Path, **chosen: Any) -> Path:
    return scripted_run(tmp_path, test=8, fp32={"latency_ns": [10 * MS]}, int8={"latency_ns": [4 * MS], **chosen})


def made(tmp_path: Path, *options: str, **chosen: Any) -> Path:
    out = tmp_path / "out.pyz"
    code, told, _ = invoke("bundle", "--run", str(run_of(tmp_path, **chosen)), "--out", str(out), *options)
    assert code == 0, told
    return out


def members(path: Path) -> dict[str, bytes]:
    with Bundle(path) as bundle:
        return {name: bundle.archive.read(name) for name in bundle.archive.members}


def test_a_bundle_holds_the_chosen_model_its_records_and_golden_images_of_each_class(tmp_path: Path) -> None:
    run, out = run_of(tmp_path), tmp_path / "out.pyz"
    code, told, said = invoke("bundle", "--run", str(run), "--out", str(out), "--golden", "7")
    assert code == 0
    assert told == {
        "bundle": str(out),
        "sha256": hashlib.sha256(out.read_bytes()).hexdigest(),
        "size_bytes": out.stat().st_size,
        "signed": False,
    }
    assert "no verdict on this run yet" in said
    content = members(out)
    assert content["model/model.json"] == (run / "int8.json").read_bytes()
    assert content["records/quantize.json"] == (run / "quantize.json").read_bytes()
    assert b"dark" in content["MODEL_CARD.md"]
    with Bundle(out) as bundle:
        assert len(bundle.manifest.golden.images) == 7
        assert sorted(bundle.manifest.golden.labels or ()) == [0, 0, 0, 1, 1, 2, 2]
        assert bundle.manifest.spec.provider == "fake"
        assert bundle.manifest.about["lineage"].keys() == {"finetune.json", "export.json", "quantize.json"}


def test_a_setting_that_a_candidate_was_chosen_with_travels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgetl.device.providers.fake.SETTINGS", {"tuned": {"tuned": "1"}}, raising=False)
    out = made(tmp_path, options={"tuned": "1"}, tuned=0.5)
    with Bundle(out) as bundle:
        assert bundle.manifest.spec.options == {"tuned": "1"}
    assert by_itself(str(out)).options == {"tuned": "1"}


def test_two_bundles_are_compared_by_what_they_were_made_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Provider, precision and target stand in them; they are called by their place, which stays from build to build."""
    monkeypatch.setenv("EDGETL_CACHE", str(tmp_path / "cache"))
    places = []
    for name, latency in (("old", 4 * MS), ("new", 5 * MS)):
        (tmp_path / name).mkdir()
        places.append(str(made(tmp_path / name, latency_ns=[latency])))
    images = str(tmp_path / "old" / "photos" / "test")
    sides = ("--baseline", places[0], "--candidate", places[1], "--images", images)
    code, told, _ = invoke("check", *sides, "--out", str(tmp_path / "check"), "--time-budget", "2s")
    assert (code, told["verdict"]) == (1, "fail")
    assert (told["baseline"], told["candidate"], told["target"]) == (*places, "x86-64")
    assert told["latency"]["ratio"] == pytest.approx(1.25)


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    files = []
    for name in ("a.pyz", "b.pyz"):
        assert invoke("bundle", "--run", str(run), "--out", str(tmp_path / name))[0] == 0
        files.append((tmp_path / name).read_bytes())
    assert files[0] == files[1]


def test_a_bundle_verifies_and_is_timed(tmp_path: Path) -> None:
    code, told, _ = invoke("verify", str(made(tmp_path)))
    assert (code, told["ok"], told["reasons"]) == (0, True, [])
    assert (told["accuracy"], told["agreement"], told["sqnr_db"]) == (1.0, 1.0, 120.0)
    assert told["latency"]["p50_ms"] == 4.0


@pytest.mark.parametrize("name", ["bundle.json", "golden/0001.jpg", "model/model.json", "records/quantize.json", SUMS])
def test_a_bundle_that_was_changed_is_not_ok_and_says_where(tmp_path: Path, name: str) -> None:
    path = made(tmp_path)
    content = members(path)
    path.write_bytes(encoded({**content, name: content[name] + b" "}))
    code, told, _ = invoke("verify", str(path))
    assert (code, told["ok"]) == (1, False)
    assert name in told["reasons"][0]
    assert told["latency"] is None


def test_what_is_no_file_is_bad_input(tmp_path: Path) -> None:
    code, told, _ = invoke("verify", str(tmp_path / "nothing.pyz"))
    assert code == 2
    assert "There is no bundle" in told["error"]["message"]


def keys(folder: Path, name: str) -> tuple[Path, Path]:
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    make = ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(private)]
    subprocess.run(make, check=True, capture_output=True)
    subprocess.run(
        ["openssl", "ec", "-in", str(private), "-pubout", "-out", str(public)], check=True, capture_output=True
    )
    return private, public


def test_a_signature_is_by_one_key_and_of_every_byte(tmp_path: Path) -> None:
    pytest.importorskip("model_signing")
    (private, public), (_, other) = keys(tmp_path, "mine"), keys(tmp_path, "other")
    path = made(tmp_path, "--key", str(private))
    assert invoke("verify", str(path), "--key", str(public), "--no-timing")[1]["ok"]
    assert invoke("verify", str(path), "--no-timing")[1]["ok"], "who does not ask is not told"

    def reason(content: dict[str, bytes], key: Path) -> str:
        changed = tmp_path / "changed.pyz"
        changed.write_bytes(encoded(content))
        code, told, _ = invoke("verify", str(changed), "--key", str(key), "--no-timing")
        assert (code, told["ok"]) == (1, False)
        return str(told["reasons"][0])

    content = members(path)
    assert "is not signed by other.pub" in reason(content, other)
    assert "is not signed" in reason({name: content[name] for name in content if name != SIGNATURE}, public)
    for name in ("MODEL_CARD.md", "edgetl/device/app/main.py", "model/model.json"):
        altered = {**content, name: content[name] + b"\n"}
        sums = "".join(
            f"{hashlib.sha256(altered[each]).hexdigest()}  {each}\n"
            for each in sorted(altered)
            if each not in (SUMS, SIGNATURE)
        )
        # Whoever changes a member can also change the list of hashes; the signature they cannot make.
        assert "was changed since" in reason({**altered, SUMS: sums.encode()}, public)
    assert "is not signed by mine.pub" in reason({**content, SIGNATURE: b"junk"}, public)


def test_the_signature_is_one_that_others_can_check(tmp_path: Path) -> None:
    pytest.importorskip("model_signing")
    import sys

    private, public = keys(tmp_path, "mine")
    for name, content in members(made(tmp_path, "--key", str(private))).items():
        path = tmp_path / ("unpacked" if name != SIGNATURE else "") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    check = [sys.executable, "-m", "model_signing", "verify", "key", str(tmp_path / "unpacked")]
    options = ["--signature", str(tmp_path / SIGNATURE), "--public_key", str(public)]
    done = subprocess.run([*check, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("content", ["", "no key", None])
def test_a_key_that_is_none_is_one_sentence(tmp_path: Path, content: str | None) -> None:
    pytest.importorskip("model_signing")
    key = tmp_path / "key.pem"
    if content is not None:
        key.write_text(content)
    code, told, _ = invoke("bundle", "--run", str(run_of(tmp_path)), "--key", str(key))
    assert code == 2
    assert str(key) in told["error"]["message"]
    assert list((tmp_path / "run").glob("*.pyz")) == []


def test_what_the_verdict_failed_is_not_bundled_unless_forced(tmp_path: Path) -> None:
    from tests.reporting.check_result import check_result

    run = run_of(tmp_path)
    failed = check_result().model_copy(update={"verdict": "fail", "candidate": "int8", "reasons": ("It is too slow.",)})
    failed.save(run)
    code, told, _ = invoke("bundle", "--run", str(run))
    assert code == 2
    assert "The verdict on int8 is fail: It is too slow." in told["error"]["message"]
    code, _, said = invoke("bundle", "--run", str(run), "--force")
    assert code == 0
    assert "The verdict on int8 is fail" in said
    assert invoke("bundle", "--run", str(run), "--candidate", "fp32")[0] == 0, "the verdict was on another"


def test_a_model_that_answers_no_numbers_is_not_bundled(tmp_path: Path) -> None:
    run = run_of(tmp_path, logits={"by": "index", "rows": [[float("inf"), 0.0, 0.0]]})
    code, told, _ = invoke("bundle", "--run", str(run))
    assert code == 3
    assert "no number" in told["error"]["message"]


def test_a_candidate_that_is_not_there_is_told_with_the_nearest(tmp_path: Path) -> None:
    code, told, _ = invoke("bundle", "--run", str(run_of(tmp_path)), "--candidate", "in8")
    assert code == 2
    assert "Did you mean 'int8'?" in told["error"]["message"]


def test_bundles_are_sides_of_a_check(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    for name, candidate in (("old", "fp32"), ("new", "int8")):
        options = ("--candidate", candidate, "--out", str(tmp_path / f"{name}.pyz"))
        assert invoke("bundle", "--run", str(run), *options)[0] == 0
    sides = ("--baseline", str(tmp_path / "old.pyz"), "--candidate", str(tmp_path / "new.pyz"))
    judged = ("--images", str(tmp_path / "photos"), "--out", str(tmp_path / "check"), "--time-budget", "5s")
    code, told, _ = invoke("check", *sides, *judged, "--target", "x86-64")
    assert told.get("verdict") in ("pass", "inconclusive"), told
    assert told["latency"]["ratio"] == pytest.approx(0.4)
    assert code in (0, 4)
