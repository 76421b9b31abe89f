"""The peer: PyTorch's own tutorial on transfer learning, its "ConvNet as fixed feature extractor", written out.

https://pytorch.org/tutorials/beginner/transfer_learning_tutorial.html: SGD 0.001/0.9, batches of 4, 25 epochs, StepLR
7/0.1, its augmentations, the best epoch's weights kept, its data set. The network is MobileNetV2 instead of ResNet-18.
A process of its own: it prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import torch
from torch import nn, optim
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader
from torchvision import datasets, models, transforms

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
TRANSFORMS = {
    "train": transforms.Compose(
        [
            transforms.RandomResizedCrop(224),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    ),
    "val": transforms.Compose(
        [
            transforms.Resize(256),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    ),
}


def main() -> None:
    """Train as the tutorial does and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with train/ and val/")
    parser.add_argument("--weights", type=Path, required=True, help="MobileNetV2's ImageNet weights")
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    start = time.perf_counter()
    torch.manual_seed(arguments.seed)
    sets = {name: datasets.ImageFolder(arguments.data / name, transform) for name, transform in TRANSFORMS.items()}
    loaders = {
        name: DataLoader(each, batch_size=4, shuffle=True, num_workers=arguments.workers) for name, each in sets.items()
    }
    model = models.mobilenet_v2()
    model.load_state_dict(torch.load(arguments.weights, weights_only=True))
    for parameter in model.parameters():
        parameter.requires_grad = False
    model.classifier[1] = nn.Linear(model.last_channel, len(sets["train"].classes))
    optimizer = optim.SGD(model.classifier[1].parameters(), lr=0.001, momentum=0.9)
    right = train_model(model, loaders, optimizer, lr_scheduler.StepLR(optimizer, 7, 0.1), arguments.epochs)
    result = {"images": len(sets["val"]), "right": right, "seconds": time.perf_counter() - start}
    print(json.dumps(result))


def train_model(
    model: nn.Module,
    loaders: dict[str, DataLoader],
    optimizer: optim.Optimizer,
    scheduler: lr_scheduler.LRScheduler,
    epochs: int,
) -> list[int]:
    """Return how many validation images were right after each epoch; ``model`` ends with the best epoch's weights."""
    criterion = nn.CrossEntropyLoss()
    right: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        best = Path(folder) / "best_model_params.pt"
        for _ in range(epochs):
            for phase, loader in loaders.items():
                model.train(phase == "train")
                corrects = 0
                for inputs, labels in loader:
                    optimizer.zero_grad()
                    with torch.set_grad_enabled(phase == "train"):
                        outputs = model(inputs)
                        loss = criterion(outputs, labels)
                        if phase == "train":
                            loss.backward()
                            optimizer.step()
                    corrects += int((outputs.argmax(1) == labels).sum())
                if phase == "train":
                    scheduler.step()
            if corrects > max(right, default=-1):
                torch.save(model.state_dict(), best)
            right.append(corrects)
        model.load_state_dict(torch.load(best, weights_only=True))
    return right


if __name__ == "__main__":
    main()
