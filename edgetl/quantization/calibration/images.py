"""The images that recipes calibrate on."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgetl.dataset import Dataset, ImageRef, calibration_images
from edgetl.device.values import Preprocess
from edgetl.pixels import iter_pixels

# The activations of one batch are all the memory that calibration takes.
BATCH = 4


@dataclass(frozen=True)
class Calibration:
    """A stratified order of ``reserved`` images that are kept for calibration; a recipe takes the first of them.

    From the monotonic time ``until`` on there are no more batches.
    """

    dataset: Dataset
    preprocess: Preprocess
    reserved: int
    seed: int
    until: float = math.inf

    def images(self) -> tuple[ImageRef, ...]:
        """Return the images that are kept."""
        return calibration_images(self.dataset, self.reserved, self.seed)

    def batches(self, samples: int) -> Iterator[NDArray[np.uint8]]:
        """Yield uint8 NHWC batches of at most ``samples`` images, decoded as they are needed.

        Raises TimeoutError where the time is over: nothing else ends the work of a library that goes through them.
        """
        for _, pixels in iter_pixels(self.dataset.paths(self.images()[:samples]), self.preprocess, batch=BATCH):
            if time.monotonic() >= self.until:
                raise TimeoutError("The time for making this file is over.")
            yield pixels
