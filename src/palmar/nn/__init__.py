"""Networks: the blocks that two or more of them share, the hand detector and the landmarker. PyTorch only, no data, no losses."""
