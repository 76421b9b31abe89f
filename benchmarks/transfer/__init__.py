"""What transfer learning costs and brings here, beside PyTorch's tutorial and beside the limits of the machine.

::

    python -m benchmarks.transfer --part tutorial      edgetl's default against the tutorial's recipe, whole processes
    python -m benchmarks.transfer --part strategies    finetune and auto against probe, five seeds
    python -m benchmarks.transfer --part throughput    extracting features against decoding and forward alone
    python -m benchmarks.transfer --part memory        peak memory of a whole training by the number of images
"""
