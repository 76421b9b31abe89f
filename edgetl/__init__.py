"""Transfer learning for the edge: from a folder of photos to a verified model on the device."""

import os

__version__ = "0.1.0"

# Unless told so before it is imported, ONNX Runtime reports its use to its makers and leaves a file in the temporary
# folder. This stands here since host and runner both begin with it.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
