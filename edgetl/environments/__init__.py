"""Virtual environments beside this one, for engines that cannot be installed into it.

The wheels onnxruntime, onnxruntime-gpu and onnxruntime-openvino hold the same files and overwrite each other. So a
provider that needs another of them than the one that is here runs in an environment of its own, in edgetl's cache.
"""

from edgetl.environments.creation import create, remove
from edgetl.environments.known import ENVIRONMENTS, Environment
from edgetl.environments.record import Made, made
from edgetl.environments.workers import command, runs_here, worker_for

__all__ = ["ENVIRONMENTS", "Environment", "Made", "command", "create", "made", "remove", "runs_here", "worker_for"]
