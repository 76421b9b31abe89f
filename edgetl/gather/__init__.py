"""Gathering for a report: all that a run's folder holds, read once, with what can be derived from raw figures."""

from edgetl.gather.stage import gather
from edgetl.gather.values import Gathered

__all__ = ["Gathered", "gather"]
