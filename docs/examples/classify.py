"""Classifies images with the runner that measured the model: python classify.py BUNDLE IMAGE..."""

import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])

from edgetl.device.app.predict import predict
from edgetl.device.bundle.opened import Bundle

with Bundle(Path(sys.argv[1])) as bundle:
    for answer in predict(bundle, [(name, Path(name)) for name in sys.argv[2:]], top=1):
        print(answer["image"], answer["label"], answer["probability"])
