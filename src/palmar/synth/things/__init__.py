"""Objects that a hand could take: closed meshes with their signed distance, moving parts, and places to take hold of.

thing = sample_thing(rng)
thing.mesh(), thing.sdf(points), thing.grips, thing.joints
"""

from collections.abc import Callable, Mapping

import numpy as np

from palmar.errors import one_of
from palmar.synth.things import lathed, primitives
from palmar.synth.things.material import MATERIALS, material
from palmar.synth.things.solid import Solid
from palmar.synth.things.surface import Surface
from palmar.synth.things.thing import TEXTURE, Grip, Joint, Material, Shell, Thing

GENERATORS: Mapping[str, Callable[[np.random.Generator], Thing]] = {
    "box": primitives.box,
    "sheet": primitives.sheet,
    "cylinder": primitives.cylinder,
    "capsule": primitives.capsule,
    "ball": primitives.ball,
    "ellipsoid": primitives.ellipsoid,
    "cone": primitives.cone,
    "torus": primitives.torus,
    "phone": primitives.phone,
    "bottle": lathed.bottle,
    "jar": lathed.jar,
    "glass": lathed.glass,
    "mug": lathed.mug,
    "wine glass": lathed.wineglass,
    "bowl": lathed.bowl,
    "vase": lathed.vase,
    "bulb": lathed.bulb,
    "can": lathed.can,
    "knob": lathed.knob,
}
"""Every sort of thing by name: a pure function of the generator."""


def sample_thing(rng: np.random.Generator, name: str | None = None) -> Thing:
    """One thing of a named sort, or of any. Raises PalmarError for an unknown name."""
    if name is None:
        name = tuple(GENERATORS)[int(rng.integers(len(GENERATORS)))]
    return GENERATORS[one_of("thing", name, GENERATORS)](rng)


__all__ = [
    "GENERATORS", "MATERIALS", "TEXTURE", "Grip", "Joint", "Material", "Shell", "Solid", "Surface", "Thing", "material",
    "sample_thing",
]  # fmt: skip
