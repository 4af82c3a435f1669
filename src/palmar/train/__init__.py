"""Training: the losses of the two networks, the one loop, and the export to ONNX."""
