"""What quantization costs in accuracy and brings in speed, on networks whose activations are those of trained ones."""
