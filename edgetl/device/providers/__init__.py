"""The engines that a model can run on: one file each, imported only when asked for."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from pathlib import Path

from edgetl.device.cores import cores_allowed
from edgetl.device.providers.base import ModelError, ProviderUnavailable, Session
from edgetl.device.values import SessionSpec

__all__ = ["ON_DEVICE", "PROVIDERS", "ModelError", "ProviderUnavailable", "Session", "load", "settings"]

# The setting that leaves images on the device, of a provider whose device has memory of its own.
ON_DEVICE = "on the device"

# Each module has a function load(model, spec, threads) -> Session, and may have SETTINGS. A new provider is a file and
# a line here.
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


def settings(provider: str) -> Mapping[str, Mapping[str, str]]:
    """Return the session options of a known provider that are worth trying, by name; none where only threads are."""
    found: Mapping[str, Mapping[str, str]] = getattr(importlib.import_module(PROVIDERS[provider]), "SETTINGS", {})
    return found
