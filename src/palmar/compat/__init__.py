"""Palmar in the shape of other programs' interfaces, so that what was written for them runs on."""
