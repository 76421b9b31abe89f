"""What int8 does to a network, node by node: which operators compute in it, which do not and why, and the error."""

from edgetl.quantization.explain.show import explain

__all__ = ["explain"]
