"""Training a module by gradients: epochs until the loss on the stopping images falls no more, keeping the best weights.

The state before training is epoch 0 and may be the best one, so a training that begins with a fitted head ends no worse
than it by the objective on the stopping images.

Every epoch is a function of the weights and the optimizer before it, of the seed and of its number: what a checkpoint
holds is enough to continue with the very bits of a training that was never interrupted, on a CPU.

Several processes share each batch: the gradients of their shares add up to that of the batch in one process, up to the
order of floating-point sums. They decide alike, because all see the same sums and the leader's clock.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from edgetl.device.cores import cores_allowed
from edgetl.training.descent import brier, checkpoint, optimizer, schedule, validate
from edgetl.training.descent.checkpoint import Checkpoint
from edgetl.training.descent.metrics import EpochMetrics, Metrics
from edgetl.training.descent.plan import EPOCHS, INTERRUPTED, PATIENCE, TIME, Examples, Outcome, Plan, Session
from edgetl.training.threads import torch_threads

# The largest norm of a step's gradient; a batch of hard images must not throw away what the source weights know.
CLIP = 1.0
# The part of all steps over which the learning rate rises.
WARMUP = 0.05
STEP = "train"


def train(module: nn.Module, fit: Examples, stopping: Examples, plan: Plan, session: Session) -> Outcome:
    """Return the best weights of ``module`` on the way of fitting it to ``fit``; ``module`` itself ends anywhere.

    Ctrl-C (and what the command line treats like it) ends the training with the best weights so far, once epoch 0 is
    validated. Its checkpoint stays, as does that of a training that is over, for the caller to remove. Raises
    UsageError when a training cannot be resumed.
    """
    with torch_threads(cores_allowed()), _reproducible():
        training = _Training(module, fit, stopping, plan, session)
        try:
            return training.run()
        finally:
            training.close()


class _Training:
    def __init__(self, module: nn.Module, fit: Examples, stopping: Examples, plan: Plan, session: Session) -> None:
        self.fit, self.stopping, self.plan, self.session = fit, stopping, plan, session
        self.device = session.world.device
        self.module = module.to(self.device).to(memory_format=torch.channels_last)
        self.optimizer = optimizer.adamw(self.module, plan.groups)
        # bfloat16 has the range of float32; float16 needs its gradients scaled.
        wide = self.device.type == "cpu" or torch.cuda.is_bf16_supported(including_emulation=False)
        self.half = torch.bfloat16 if wide else torch.float16
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=not wide)
        self.labels, self.judged = torch.tensor(fit.labels), torch.tensor(stopping.labels)
        self.progress = session.world.progress(session.progress)
        if plan.batchnorm == "train":
            validate.require_variance(len(self.labels), plan.batch, session.world)
        # Losses and errors of each stopping image after each epoch, see `Outcome`.
        self.history: list[tuple[Tensor, Tensor]] = []
        self.epoch, self.before, self.last = 0, 0.0, 0.0
        self.start = time.perf_counter()
        self.metrics: Metrics | None = None

    def run(self) -> Outcome:
        ended = self._resume() if self.session.resume else self._begin()
        try:
            self.parallel = self._parallel()
            if not self.session.resume:
                self._save("")
            while not ended:
                self._epoch()
                ended = self._ended()
                self._save(ended)
        except KeyboardInterrupt:
            ended = INTERRUPTED
        total = self.plan.epochs * len(self.labels)
        self.progress.step(STEP, total, total)
        losses, errors = (torch.stack(values).numpy() for values in zip(*self.history, strict=True))
        epochs, logits = len(self.history) - 1, self.best_logits.numpy()
        return Outcome(self.best, self.best_epoch, epochs, logits, losses, errors, self._seconds(), ended)

    def close(self) -> None:
        if self.metrics is not None:
            self.metrics.close()

    def _begin(self) -> str:
        """Validate the state before training; an old checkpoint goes first, so that it is not resumed by mistake."""
        if self.session.world.leads:
            checkpoint.remove(self.session.folder)
            self.metrics = Metrics(self.session.folder, kept=-1)
        start = time.perf_counter()
        loss, accuracy = self._validate()
        self._note(EpochMetrics(0, None, loss, accuracy, {}, time.perf_counter() - start, None))
        return ""

    def _resume(self) -> str:
        """Take up the state of the checkpoint; return why the training is over, if it is."""
        stored = checkpoint.load(self.session.folder, self.session.key, self.session.world)
        self.module.load_state_dict(stored.model)
        self.optimizer.load_state_dict(stored.optimizer)
        self.scaler.load_state_dict(stored.scaler)
        self.epoch, self.before = stored.epoch, stored.seconds
        self.history = list(zip(stored.losses, stored.errors, strict=True))
        self.best, self.best_epoch, self.best_logits = stored.best, stored.best_epoch, stored.best_logits
        if self.session.world.leads:
            self.metrics = Metrics(self.session.folder, kept=self.epoch)
        return stored.ended

    def _parallel(self) -> nn.Module:
        if self.session.world.size == 1:
            return self.module
        module = self.module
        if self.device.type == "cuda" and self.plan.batchnorm == "train":
            module = nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]
        # Statistics are frozen or estimated by each process alike, so none has to be sent around.
        return DistributedDataParallel(module, broadcast_buffers=False)

    def _epoch(self) -> None:
        """Fit to all images once, then validate."""
        start, number, world = time.perf_counter(), self.epoch + 1, self.session.world
        whole = schedule.batches(len(self.labels), self.plan.batch, self.plan.seed, number)
        # A process without an image of a batch takes one along that weighs nothing, since all must step together.
        shares = [world.share(batch) or batch[:1] for batch in whole]
        steps, done, total = self.plan.epochs * len(whole), 0, torch.zeros((), device=self.device)
        self._mode()
        torch.manual_seed(schedule.dropout_seed(self.plan.seed, number, world.rank))
        for index, (inputs, share, batch) in enumerate(
            zip(self.fit.inputs.batches(number - 1, shares), shares, whole, strict=True)
        ):
            step = (number - 1) * len(whole) + index
            optimizer.at(self.optimizer, schedule.factor(step, steps, round(WARMUP * steps)))
            counts = bool(world.share(batch))
            total += self._step(inputs, share, counts / len(batch)) * len(batch)
            done += len(batch)
            self.progress.step(STEP, (number - 1) * len(self.labels) + done, self.plan.epochs * len(self.labels))
        mean = float(world.gather(np.array([float(total)]), world.size).sum()) / len(self.labels)
        speed = len(self.labels) / (time.perf_counter() - start)
        self.epoch = number
        loss, accuracy = self._validate()
        self.last = time.perf_counter() - start
        rates = optimizer.rates(self.optimizer)
        self._note(EpochMetrics(number, mean, loss, accuracy, rates, self.last, speed))

    def _step(self, inputs: Tensor, share: Sequence[int], weight: float) -> Tensor:
        """Return this process's part of the batch's loss, on its device: each image's times ``weight``, summed."""
        inputs = inputs.to(self.device).contiguous(memory_format=_format(inputs))
        with torch.autocast(self.device.type, dtype=self.half, enabled=self.device.type == "cuda"):
            logits = self.parallel(inputs)
        loss = self.plan.objective(logits, self.labels[list(share)].to(self.device)).sum() * weight
        self.optimizer.zero_grad()
        # DistributedDataParallel averages over the processes; their parts are to be added.
        torch.autograd.backward(self.scaler.scale(loss * self.session.world.size))
        self.scaler.unscale_(self.optimizer)
        nn.utils.clip_grad_norm_(self.module.parameters(), CLIP)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss.detach()

    def _mode(self) -> None:
        self.module.train()
        if self.plan.batchnorm == "frozen":
            for layer in self.module.modules():
                if isinstance(layer, _BatchNorm):
                    layer.eval()

    def _validate(self) -> tuple[float, float]:
        """Return the loss and accuracy of the present weights, and keep them if they are the best."""
        if self.plan.batchnorm == "train" and self.epoch:
            # Of this network, not of those on the way here, and of the same sample each time. Epoch 0 keeps the
            # source's, on whose features the head was fitted.
            order = schedule.batches(len(self.labels), len(self.labels), self.plan.seed, 0)[0]
            validate.settle(self.module, self.fit.inputs, order, self.device)
        classes = len(self.plan.objective.weights)
        world, inputs = self.session.world, self.stopping.inputs
        logits = torch.from_numpy(validate.logits(self.module, inputs, len(self.judged), classes, world))
        losses = self.plan.objective.shares(logits, self.judged)
        loss = float(losses.mean())
        if not self.epoch or loss < float(self.history[self.best_epoch][0].mean()):
            state = {name: tensor.detach().cpu().clone() for name, tensor in self.module.state_dict().items()}
            self.best, self.best_epoch, self.best_logits = state, self.epoch, logits
        self.history.append((losses, torch.from_numpy(brier.errors(logits.numpy(), self.stopping.labels))))
        return loss, float((logits.argmax(1) == self.judged).double().mean())

    def _note(self, metrics: EpochMetrics) -> None:
        if self.metrics is not None:
            self.metrics.add(metrics)

    def _ended(self) -> str:
        """Return why no further epoch is to follow, an empty string if one is."""
        if self.epoch == self.plan.epochs:
            return EPOCHS
        if self.epoch - self.best_epoch >= self.plan.patience:
            return PATIENCE
        # The first epoch also makes ready what later ones find, so it says little of how long they take.
        ready = self._seconds() + (self.last if self.epoch > 1 else 0.0)
        late = self.session.budget_s is not None and ready > self.session.budget_s
        return TIME if self.session.world.broadcast(late) else ""

    def _save(self, ended: str) -> None:
        if not self.session.world.leads:
            return
        model = self.best if self.best_epoch == self.epoch else self.module.state_dict()
        losses, errors = (torch.stack(values) for values in zip(*self.history, strict=True))
        stored = Checkpoint(
            self.session.key,
            self.epoch,
            model,
            self.optimizer.state_dict(),
            self.scaler.state_dict(),
            self.best,
            self.best_epoch,
            self.best_logits,
            losses,
            errors,
            self._seconds(),
            ended,
        )
        checkpoint.save(self.session.folder, stored)

    def _seconds(self) -> float:
        return self.before + time.perf_counter() - self.start


@contextlib.contextmanager
def _reproducible() -> Iterator[None]:
    """Leave torch's random numbers as they were, and let cuDNN choose the same algorithms each time."""
    cudnn = torch.backends.cudnn
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices), cudnn.flags(enabled=True, benchmark=False, deterministic=True):
        yield


def _format(inputs: Tensor) -> torch.memory_format:
    return torch.channels_last if inputs.ndim == 4 else torch.contiguous_format
