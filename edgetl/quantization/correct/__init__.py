"""What is changed in a float model, or in a quantized one's biases, so that quantization loses less."""
