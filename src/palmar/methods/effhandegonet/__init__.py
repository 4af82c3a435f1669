"""EffHandEgoNet (2024): both hands in 2D from a first-person picture, and the action from them and the object's box.

A trunk of stride 32 reads the whole picture; two branches of transposed convolutions draw heat maps of the left and
the right hand, two linear layers say which hands are there. A transformer of 30 thousand weights reads 20 frames of
hands, box and label of the object.
"""
