"""The error of each node of the int8 candidate, where seeing it is cheap."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgetl.artifacts import ExportResult, QuantizeResult
from edgetl.errors import EdgetlError
from edgetl.progress import Progress

if TYPE_CHECKING:
    # Its package needs an engine; a report does not.
    from edgetl.quantization.explain.values import Explanation

# A larger network takes minutes: a report does not wait for it.
LARGEST_BYTES = 60_000_000
COMMAND = "edgetl quantize --explain"


def explained(
    folder: Path, quantize: QuantizeResult | None, export: ExportResult | None, progress: Progress
) -> tuple[Explanation | None, str]:
    """Return the explanation of the chosen int8 candidate, or None and a sentence that says why there is none."""
    if quantize is None or export is None:
        return None, "Run `edgetl quantize`: it makes the candidates."
    if export.size_bytes > LARGEST_BYTES:
        return None, f"The model is large, so that this takes long. Run `{COMMAND}`."
    try:
        from edgetl.quantization.explain import explain

        return explain(folder, None, progress), ""
    except ImportError as error:
        return None, f"{error.name} is not installed here. Run `{COMMAND}` where it is."
    except (EdgetlError, OSError) as error:
        return None, str(error)
