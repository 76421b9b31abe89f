"""Training on a frozen or thawed backbone, in PyTorch; the `finetune` stage.

::

    Dataset ─┬─▶ features ─▶ heads (probe, mlp) ─────────────────┐
    Weights ─┘   (cached)          │                             ├─▶ Trained ─▶ adapt ─▶ finetune
                                   └─▶ inputs ─▶ descent ────────┘                      │
                                       (tail trained by gradients)     classifier.safetensors, evaluation.json,
                                                                       data.json, finetune.json

`strategies` is the table of what can be chosen; each is a function from a `Task` to what was `Trained`. torch is
imported when a stage runs, never when this package is.
"""
