"""torchvision without the compiler that it would bring, and otherwise as it is."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("torch")
pytest.importorskip("torchvision")

import torch

from edgetl import backbones, torchvision_networks

pytestmark = pytest.mark.training


def _run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_network_is_built_without_importing_the_compiler_or_symbolic_algebra() -> None:
    code = (
        "import sys; from edgetl import backbones; backbones.build_empty(backbones.backbone('mobilenet_v2'));"
        "print([name for name in ('torch._dynamo', 'torch._dynamo.utils', 'sympy') if name in sys.modules])"
    )
    assert _run(code).strip() == "[]"


def test_the_compiler_is_whole_for_who_wants_it_afterwards() -> None:
    code = (
        "import sys; from edgetl import torchvision_networks; import torchvision;"
        "assert 'torch._dynamo' not in sys.modules;"
        "ask = sys.modules['torchvision.ops.roi_align'].is_compile_supported;"
        "answer = ask('cpu'); from torch._dynamo.utils import is_compile_supported;"
        "import torch; torch._dynamo.reset(); print(answer is is_compile_supported('cpu'))"
    )
    assert _run(code).strip() == "True"


def test_a_release_that_asks_for_more_gets_the_compiler(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("other") / "torchvision"
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").write_text("from torch._dynamo.utils import counters\n")
    (folder / "models" / "__init__.py").write_text("def get_model(name, weights): return name\n")
    code = (
        f"import sys; sys.path.insert(0, {str(folder.parent)!r}); from edgetl import torchvision_networks as networks;"
        "print(networks.build('ours'), sys.modules['torch._dynamo.utils'].__file__ is not None)"
    )
    assert _run(code).strip() == "ours True"


def test_only_tensors_without_memory_are_left_unfilled() -> None:
    torch.manual_seed(0)
    network = backbones.build(backbones.backbone("squeezenet1_1"))
    assert all(tensor.std() > 0 for name, tensor in network.named_parameters() if name.endswith("weight"))
    with torchvision_networks.not_random():
        kept = torch.nn.init.kaiming_uniform_(torch.zeros(3, 3))
    assert not kept.any()
