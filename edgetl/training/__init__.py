"""Training on a frozen or thawed backbone, in PyTorch; the `finetune` stage.

::

    Dataset ──┐
              ├─▶ features (cached on disk; forward: the backbone on the fastest engine that agrees with torch)
    Weights ──┘        │
                       └─▶ strategies (probe, ...) ──▶ Trained ── finetune ──▶ classifier.safetensors + FinetuneResult

torch is imported when a stage runs, never when this package is.
"""
