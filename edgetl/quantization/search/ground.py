"""What all candidates of a contest share: the images that judge them, and how they are run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgetl.measure.accuracy import MAX_IMAGES, images_to_prove
from edgetl.quantization.search.choose import Rules

# What part of the time one candidate's judging may take, at the baseline's speed and its number of threads.
JUDGING_SHARE = 1 / 6

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Ground:
    """Images as pixels (n, h, w, 3) and their ``labels``, class indices, and what else all candidates share.

    ``command`` is the command line of the runner that measures; ``pretend`` of one that computes as the target does,
    where the machine that measures is another and there is such an emulator.
    """

    command: Sequence[str]
    pixels: Pixels
    labels: Sequence[int]
    threads: int
    rules: Rules
    pretend: Sequence[str] = ()

    def first(self, count: int) -> Ground:
        """Return the same with only the first ``count`` images, or all that there are."""
        return replace(self, pixels=self.pixels[:count], labels=self.labels[:count])

    def affordable(self, image_s: float, time_budget_s: float) -> Ground:
        """Return the same with as many images as a candidate may be judged by in its part of the time.

        ``image_s`` is the seconds that the baseline takes for one. Enough to prove something stay, where there are as
        many: twice what a candidate without any loss takes, or what the baseline alone is through with in half of the
        time.
        """
        budgets = self.rules.budgets
        least = images_to_prove(0, 0, 1, budgets.top1_drop, confidence=budgets.confidence) or MAX_IMAGES
        in_all = time_budget_s / max(image_s, 1e-9)
        return self.first(int(max(JUDGING_SHARE * in_all, min(2 * least, in_all / 2), 1)))
