"""Networks: shared blocks, the hand detector, the landmarker. PyTorch only; no data, no losses."""
