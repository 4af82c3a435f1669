"""Labelled crops made in batches where the network is trained, without the host in the loop. Needs PyTorch.

    crops = device_crops(seed, first, count, "cuda")       # a dictionary of tensors, as the landmarker is trained on

A sample is a pure function of (seed, index), whatever batch it is in; what it shows follows the distributions of
`palmar.synth.sample.crop_sample` and `palmar.synth.sensor`. Everything is a tensor operation of fixed shape: faults and
things that a sample does not have are weighed with zero, not branched around.
"""

from palmar.errors import need

need("torch", extra="torch")

from palmar.synth.device.crops import crops_of, device_crops  # noqa: E402  (after the check above, so that PyTorch is named)
from palmar.synth.device.world import SMALL, Size, World, world  # noqa: E402

__all__ = ["SMALL", "Size", "World", "crops_of", "device_crops", "world"]
