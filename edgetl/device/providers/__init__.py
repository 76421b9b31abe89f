"""The engines that a model can run on: one file each, imported only when asked for."""

from __future__ import annotations

import difflib
import importlib
from pathlib import Path

from edgetl.device.cores import cores_allowed
from edgetl.device.providers.base import ModelError, ProviderUnavailable, Session
from edgetl.device.values import SessionSpec

__all__ = ["PROVIDERS", "ModelError", "ProviderUnavailable", "Session", "load"]

# Each module has one function, load(model, spec, threads) -> Session. A new provider is a file and a line here.
PROVIDERS = {
    "cpu": "edgetl.device.providers.cpu",
    "cuda": "edgetl.device.providers.cuda",
    "tensorrt": "edgetl.device.providers.tensorrt",
    "openvino": "edgetl.device.providers.openvino",
    "openvino-ep": "edgetl.device.providers.openvino_ep",
    "fake": "edgetl.device.providers.fake",
}


def load(model: Path, spec: SessionSpec) -> Session:
    """Return a session of ``model`` on the provider that ``spec`` names.

    Raises ProviderUnavailable where it cannot run here, ModelError where the model cannot be run on it.
    """
    if spec.provider not in PROVIDERS:
        close = difflib.get_close_matches(spec.provider, PROVIDERS, n=1)
        hint = f" Did you mean '{close[0]}'?" if close else ""
        raise ProviderUnavailable(f"There is no provider '{spec.provider}'; there are {', '.join(PROVIDERS)}.{hint}")
    threads = spec.threads or cores_allowed()
    session: Session = importlib.import_module(PROVIDERS[spec.provider]).load(model, spec, threads)
    return session
