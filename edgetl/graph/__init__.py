"""ONNX graphs: rewrites that keep the logits, the image input, and the metadata that travels in a model file."""
