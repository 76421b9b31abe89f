"""The libraries that ONNX Runtime's GPU build asks for: loading them from where wheels put them, naming the missing."""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib.util
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgetl.device.elf import needed

# By execution provider, the library that ONNX Runtime loads for it.
LIBRARIES = {
    "CUDAExecutionProvider": "libonnxruntime_providers_cuda.so",
    "TensorrtExecutionProvider": "libonnxruntime_providers_tensorrt.so",
}
# ONNX Runtime 1.31 opens cuDNN only when a convolution is to be run, so that no file names it; older ones' files do.
CUDNN = "libcudnn.so.9"
_NUMBERED = re.compile(r"(?P<stem>lib[\w+-]+)\.so\.(?P<major>\d+)")
# Those whose number is that of CUDA; others (libcurand.so.10) have numbers of their own.
_OF_CUDA = ("libcublas", "libcublasLt", "libcudart")
_ALL_OF_IT = "Run: edgetl env create cuda (elsewhere: pip install 'onnxruntime-gpu[cuda,cudnn]')."
_DRIVER = "Install the driver, or start the container with the GPU (docker run --gpus all)."


@dataclass(frozen=True)
class Setback:
    """What keeps a GPU from being used, and what to do: a sentence each."""

    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what} {self.remedy}"


# What is in the engine's own messages, and what that means. CUDA's numbers are those of cudaError_t.
_MESSAGES = {
    r"CUDA failure 35\b|driver version is insufficient": Setback(
        "The NVIDIA driver is older than the CUDA that this ONNX Runtime is built for.",
        "Update the driver, or install an onnxruntime-gpu that was built for an older CUDA.",
    ),
    r"CUDA failure 100\b|no CUDA-capable device": Setback(
        "The NVIDIA driver gives this process no GPU.",
        "See that CUDA_VISIBLE_DEVICES does not hide it, or start the container with it (docker run --gpus all).",
    ),
    r"CUDA failure (?:209|222)\b|no kernel image is available": Setback(
        "This ONNX Runtime has no code for a GPU of this kind.",
        "Install an onnxruntime-gpu that supports it: the newest for a new GPU, an older one for an old GPU.",
    ),
    r"CUDA failure 2\b|CUBLAS_STATUS_ALLOC_FAILED|Failed to allocate memory": Setback(
        "The GPU's memory does not suffice.",
        "End what else uses the GPU (nvidia-smi lists it), or take smaller batches.",
    ),
    r"cuDNN is (?:not available|unavailable)|cuDNN library was not found": Setback(
        "cuDNN cannot be loaded, or is none that this ONNX Runtime takes.", _ALL_OF_IT
    ),
    r"CUDNN_STATUS_(?:SUBLIBRARY_)?VERSION_MISMATCH": Setback(
        "Parts of two versions of cuDNN are mixed.", "Keep one: pip list shows those of pip, LD_LIBRARY_PATH others."
    ),
    r"Please install TensorRT libraries": Setback(
        "TensorRT's libraries cannot be loaded.", "Run: edgetl env create tensorrt (elsewhere install that TensorRT)."
    ),
}


def of_message(message: str) -> Setback | None:
    """Return what an error of the engine says of the machine; None where it is not known to say anything of it."""
    return next((meaning for pattern, meaning in _MESSAGES.items() if re.search(pattern, message)), None)


def setback(provider: str) -> Setback | None:
    """Return why the libraries of an execution provider cannot be loaded; None where they can, and now are.

    None also where no GPU build of ONNX Runtime is installed. Neither it nor the provider is imported.
    """
    library = _capi() / LIBRARIES[provider]
    if not library.is_file():
        return None
    names = needed(library)
    if not any(name.startswith("libcudnn") for name in names):
        names = (*names, CUDNN)
    missing = next((name for name in names if not _loaded(name)), None)
    return None if missing is None else of_library(missing, _others(missing))


def of_library(missing: str, others: Sequence[str] = ()) -> Setback:
    """Return what it means that the library ``missing`` is not found; ``others`` are its other versions that are."""
    found = _NUMBERED.match(missing)
    stem, major = (found["stem"], found["major"]) if found else (missing, "")
    if stem == "libcuda":
        return Setback(
            f"The NVIDIA driver is not loaded here: {missing} is not found.",
            _DRIVER,
        )
    if stem.startswith("libcudnn"):
        return Setback(f"cuDNN {major} is missing: {missing} is not found.", _ALL_OF_IT)
    if stem.startswith(("libnvinfer", "libnvonnxparser")):
        return Setback(
            f"TensorRT {major} is missing: {missing} is not found.",
            "Run: edgetl env create tensorrt (elsewhere install that TensorRT).",
        )
    if stem in _OF_CUDA and others:
        return Setback(
            f"This ONNX Runtime is built for CUDA {major}, and here is another: {', '.join(others)}, not {missing}.",
            _ALL_OF_IT,
        )
    version = f"of CUDA {major} " if stem in _OF_CUDA else "of CUDA "
    return Setback(f"A library {version}is missing: {missing} is not found.", _ALL_OF_IT)


def _capi() -> Path:
    """Return the folder of ONNX Runtime's libraries, without importing it; one that is not there where it is not."""
    found = importlib.util.find_spec("onnxruntime")
    return Path(found.origin).parent / "capi" if found and found.origin else Path("onnxruntime") / "capi"


def _loaded(name: str) -> bool:
    """Return whether the library is loaded now: from the system's places, or from those of NVIDIA's wheels."""
    return any(_opens(place) for place in (name, *map(str, _in_wheels(name))))


def _opens(place: str, load: Callable[[str], object] = ctypes.CDLL) -> bool:
    try:
        load(place)
    except OSError:
        return False
    return True


def _others(missing: str) -> tuple[str, ...]:
    """Return the names of other versions of a library that are here."""
    found = _NUMBERED.match(missing)
    if not found:
        return ()
    system = ctypes.util.find_library(found["stem"].removeprefix("lib"))
    names = {path.name for path in _in_wheels(f"{found['stem']}.so.*")} | ({system} if system else set())
    return tuple(sorted(name for name in names if name != missing and _NUMBERED.fullmatch(name)))


def _in_wheels(pattern: str, folders: Iterable[str] | None = None) -> list[Path]:
    """Return the files of that name in NVIDIA's and TensorRT's wheels, which no search path of the loader names."""
    places = [Path(folder or ".") for folder in (sys.path if folders is None else folders)]
    return [
        path
        for place in places
        for part in ("nvidia/*/lib", "tensorrt_libs")
        for path in sorted(place.glob(f"{part}/{pattern}"))
    ]
