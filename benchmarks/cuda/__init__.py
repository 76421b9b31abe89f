"""An NVIDIA GPU: ONNX Runtime's CUDA provider beside torch and TensorRT, each as a share of what the GPU could do.

::

    python -m benchmarks.cuda --out FOLDER                       --minutes N: when no further figure is begun
    python -m benchmarks.cuda --out FOLDER --onnxruntime OTHER   the ONNX Runtime that lies unpacked in OTHER
    python -m benchmarks.cuda --out FOLDER --smoke               the same code on a CPU: figures of nothing

It needs a checkout, torch, torchvision, onnx, numpy, Pillow and an onnxruntime-gpu, and nothing else of what edgetl
needs; but the part that trains with edgetl's own loop needs pydantic, and is a row that says so without it. CUDA's
libraries may be those of torch. A network's weights are random, which changes no latency.

Nothing is timed before its logits were compared with those of ONNX Runtime in fp32 on the CPU. Figures are written as
they are found, to ``cuda.json`` and ``cuda.md``, so that a run that is stopped has what it found; the most important
steps come first, each over all networks.
"""
