"""What holds where nothing is said: the same for the command line, for Python and for the stages. It imports nothing.

A default that is a mere no (False, None, 0) stands where it is taken.
"""

from __future__ import annotations

# Where runs lie, below the folder that edgetl is run in.
RUNS = "runs"
ARCH, HEAD, STRATEGY, ADAPT_METHOD = "mobilenet_v2", "linear", "probe", "auto"
# This machine, as the packaged target that describes it.
TARGET = "host"

# The seconds that stages which measure may take.
QUANTIZE_S, BENCH_S, CHECK_S, RANK_S = 120.0, 45.0, 60.0, 600.0
# The same within `run`: about two minutes for all, with room for training.
RUN_QUANTIZE_S, RUN_BENCH_S, RUN_CHECK_S = 65.0, 40.0, 25.0
# What part of a time budget of `run` is for training; the measuring stages share the rest as above.
RUN_TRAINING_SHARE = 0.4

# How many images travel in a bundle, how many versions a device keeps, and the seconds that a bundle is timed there
# and here.
GOLDEN, KEEP, SHIP_S, VERIFY_S = 64, 3, 3, 3.0
