"""How much of a network runs where: counted in arithmetic, for a node may be a convolution or a reshape."""

from __future__ import annotations

from pathlib import Path

from edgetl.device.values import LoadReport


def mac_share(model: Path, report: LoadReport) -> dict[str, float] | None:
    """Return the fraction of the multiply-accumulates that runs on each execution provider (or device) of ``report``.

    None where it cannot be told: the engine does not say where nodes run, or does not under the names that the file
    ``model`` has; on several providers also where onnx is not installed or the file is no ONNX.
    """
    if len(report.placement) < 2:
        return dict.fromkeys(report.placement, 1.0) or None
    asked = [provider for provider in report.placement if provider not in report.elsewhere]
    counted = _macs(model) if len(asked) == 1 else None
    if not counted or any(name not in counted for names in report.elsewhere.values() for name in names):
        return None
    total = sum(counted.values())
    shares = {
        provider: sum(counted[name] for name in report.elsewhere.get(provider, ())) / total
        for provider in report.placement
    }
    return shares | {asked[0]: 1 - sum(shares.values())}


def _macs(model: Path) -> dict[str, int] | None:
    if model.suffix.lower() != ".onnx":
        return None
    try:
        import onnx

        from edgetl.graph.macs import macs

        return macs(onnx.load(model))
    except (ImportError, ValueError):
        return None
