"""The temperature of a run's probabilities, and a network whose logits are divided by it."""

from __future__ import annotations

import copy
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

from edgetl.artifacts import FinetuneResult
from edgetl.errors import RunError
from edgetl.evaluation import Evaluation

if TYPE_CHECKING:
    from torch import nn


def of_run(folder: Path, trained: FinetuneResult) -> float:
    """Return the temperature that was fitted for a run's classifier; raises RunError where there is none."""
    evaluation = Evaluation.load(folder)
    if evaluation.parent_sha256 != trained.sha256:
        path = folder / Evaluation.FILE
        raise RunError(f"{path} belongs to another classifier. Run `edgetl finetune` again, which writes both.")
    return evaluation.temperature


def divided(module: nn.Module, temperature: float) -> nn.Module:
    """Return a classifier's network with its logits divided by ``temperature``, in the weights of its last layer.

    ``module`` is as `classifier.build_module` makes it. It stays as it was, and shares all other layers.
    """
    import torch
    from torch import nn

    backbone, head = module.get_submodule("backbone"), module.get_submodule("head")
    assert isinstance(head, nn.Sequential)
    last = copy.deepcopy(head[-1])
    # The division is inside the weights only where nothing follows them.
    assert isinstance(last, nn.Linear)
    with torch.no_grad():
        for parameter in last.parameters():
            parameter.div_(temperature)
    network = nn.Sequential(OrderedDict(backbone=backbone, head=nn.Sequential(*head[:-1], last)))
    return network.train(module.training)
