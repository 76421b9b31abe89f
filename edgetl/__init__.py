"""Transfer learning for the edge: from a folder of photos to a verified model on the device."""

__version__ = "0.1.0"
