"""A bundle that was changed in any way is refused with one sentence."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgetl.device.bundle.archive import BundleError
from edgetl.device.bundle.opened import MANIFEST, SUMS, Bundle
from tests.bundles import contents, encoded, npy, summed

WHOLE = contents()
BYTES = encoded(WHOLE)


def refused(path: Path) -> str:
    with pytest.raises(BundleError) as told, Bundle(path) as bundle:
        # What is read later, too.
        golden = bundle.manifest.golden
        bundle.logits(golden.expected)
        bundle.logits(golden.reference)
    said = str(told.value)
    assert "\n" not in said
    assert len(said) < 300
    return said


def of(tmp_path: Path, members: dict[str, bytes]) -> Path:
    path = tmp_path / "changed.pyz"
    path.write_bytes(encoded(members))
    return path


def test_a_whole_bundle_opens_and_its_version_is_decided_by_its_content(tmp_path: Path) -> None:
    path = of(tmp_path, WHOLE)
    with Bundle(path) as bundle:
        assert bundle.manifest.classes == ("dark", "middle", "bright")
        assert bundle.version == f"surface-{hashlib.sha256(WHOLE[SUMS]).hexdigest()[:12]}"
        assert not bundle.signed
        assert bundle.logits("golden/a.npy").shape == (6, 3)


def test_the_list_of_hashes_is_one_that_sha256sum_checks(tmp_path: Path) -> None:
    import subprocess

    for name, content in WHOLE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    done = subprocess.run(
        ["sha256sum", "--strict", "-c", SUMS], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.count(": OK") == len(WHOLE) - 1


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_a_change_of_any_member_is_found_and_named(tmp_path: Path, name: str) -> None:
    said = refused(of(tmp_path, {**WHOLE, name: WHOLE[name][:-1] + b"!"}))
    assert name in said or name == SUMS


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_a_member_that_is_missing_is_named(tmp_path: Path, name: str) -> None:
    assert name in refused(of(tmp_path, {key: WHOLE[key] for key in WHOLE if key != name}))


def test_a_member_too_many_is_named(tmp_path: Path) -> None:
    assert "extra.py" in refused(of(tmp_path, {**WHOLE, "edgetl/extra.py": b"import os"}))


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(
        st.tuples(st.integers(0, len(BYTES) - 1), st.integers(-40, 40), st.binary(max_size=12)), min_size=1, max_size=4
    )
)
def test_no_change_of_bytes_is_taken_for_a_bundle_or_breaks_the_reader(
    tmp_path: Path, changes: list[tuple[int, int, bytes]]
) -> None:
    data = BYTES
    for at, removed, put in changes:
        data = data[:at] + put + data[at + max(removed, 0) :]
    path = tmp_path / "mutated.pyz"
    path.write_bytes(data)
    if data == BYTES:
        return
    refused(path)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_manifest_with_junk_in_it_is_refused_or_read_never_a_crash(tmp_path: Path, data: st.DataObject) -> None:
    manifest = json.loads(WHOLE[MANIFEST])
    place = manifest
    while isinstance(place, dict) and place:
        key = data.draw(st.sampled_from(sorted(place)))
        if not isinstance(place[key], dict) or data.draw(st.booleans()):
            place[key] = data.draw(JUNK)
            break
        place = place[key]
    path = of(tmp_path, summed({**WHOLE, MANIFEST: json.dumps(manifest).encode()}))
    try:
        with Bundle(path) as bundle:
            bundle.logits(bundle.manifest.golden.expected)
    except BundleError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    "array",
    [
        b"",
        b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(128) + b"junk",
        npy(np.zeros((6, 2), np.float32)),
        npy(np.zeros((6, 3), np.float64)),
        npy(np.full((6, 3), np.nan, np.float32)),
        npy(np.array([[object()] * 3] * 6, dtype=object)),
    ],
    ids=["empty", "objects", "shape", "type", "nan", "pickled"],
)
def test_logits_that_are_none_are_refused(tmp_path: Path, array: bytes) -> None:
    assert "golden/a.npy" in refused(of(tmp_path, summed({**WHOLE, "golden/a.npy": array})))


@pytest.mark.parametrize("name", ["../../etc", "a/b", "", ".hidden", "a b", "x" * 81, "a\n"])
def test_a_name_that_would_lead_elsewhere_on_a_device_is_refused(tmp_path: Path, name: str) -> None:
    named = json.loads(WHOLE[MANIFEST]) | {"name": name}
    assert "no plain name" in refused(of(tmp_path, summed({**WHOLE, MANIFEST: json.dumps(named).encode()})))


def test_options_that_could_make_an_engine_write_files_are_refused(tmp_path: Path) -> None:
    named = json.loads(WHOLE[MANIFEST])
    named["spec"]["options"] = {"CACHE_DIR": "/etc"}
    assert "options" in refused(of(tmp_path, summed({**WHOLE, MANIFEST: json.dumps(named).encode()})))


def test_a_setting_that_edgetl_tries_is_taken(tmp_path: Path) -> None:
    named = json.loads(WHOLE[MANIFEST])
    named["spec"] |= {"provider": "cuda", "options": {"prefer_nhwc": "1"}}
    path = of(tmp_path, summed({**WHOLE, MANIFEST: json.dumps(named).encode()}))
    with Bundle(path) as bundle:
        assert bundle.manifest.spec.options == {"prefer_nhwc": "1"}
    named["spec"]["options"]["prefer_nhwc"] = "/etc"
    assert "options" in refused(of(tmp_path, summed({**WHOLE, MANIFEST: json.dumps(named).encode()})))


def test_a_bundle_of_a_later_format_says_so(tmp_path: Path) -> None:
    later = json.loads(WHOLE[MANIFEST]) | {"format": 2}
    assert "format 2" in refused(of(tmp_path, summed({**WHOLE, MANIFEST: json.dumps(later).encode()})))
