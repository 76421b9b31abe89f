"""From a folder or manifest of images to a frozen, fingerprinted `Dataset`, and which of its images serve what.

::

    layout, manifest ──▶ found images ── verify ──▶ usable ── splits ──▶ Dataset ── roles ──▶ calibration
    (where they are)                    (decoded)            (seeded)      │                  selection
                                                                           └ leaks            judging

Nothing here imports torch or an engine.
"""

from edgetl.dataset.roles import (
    calibration_images,
    fitting_images,
    judging_images,
    sample_to_judge,
    selection_images,
    stopping_images,
)
from edgetl.dataset.scan import scan
from edgetl.dataset.values import Dataset, ImageRef, Leak, Skipped

__all__ = [
    "Dataset",
    "ImageRef",
    "Leak",
    "Skipped",
    "calibration_images",
    "fitting_images",
    "judging_images",
    "sample_to_judge",
    "scan",
    "selection_images",
    "stopping_images",
]
