"""Objects that a hand could take: closed meshes with their signed distance, moving parts, and places to take hold of.

thing = sample_thing(rng)
thing.mesh(), thing.sdf(points), thing.grips, thing.joints
"""

from collections.abc import Callable, Mapping

import numpy as np

from palmar.errors import one_of
from palmar.synth.things import articulated, carved, household, lathed, primitives
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
    "carved": carved.carved,
    "blob": carved.blob,
    "cracker box": household.cracker_box,
    "sugar box": household.sugar_box,
    "pudding box": household.pudding_box,
    "gelatin box": household.gelatin_box,
    "meat can": household.meat_can,
    "soup can": household.soup_can,
    "coffee can": household.coffee_can,
    "tuna can": household.tuna_can,
    "mustard bottle": household.mustard_bottle,
    "bleach bottle": household.bleach_bottle,
    "pitcher": household.pitcher,
    "coffee mug": household.ycb_mug,
    "soup bowl": household.ycb_bowl,
    "plate": household.plate,
    "cup": household.cup,
    "banana": household.banana,
    "apple": household.apple,
    "orange": household.orange,
    "plum": household.plum,
    "lemon": household.lemon,
    "tennis ball": household.tennis_ball,
    "baseball": household.baseball,
    "golf ball": household.golf_ball,
    "die": household.die,
    "sponge": household.sponge,
    "wood block": household.wood_block,
    "marker": household.marker,
    "pen": household.pen,
    "hammer": household.hammer,
    "screwdriver": household.screwdriver,
    "spatula": household.spatula,
    "spoon": household.spoon,
    "fork": household.fork,
    "knife": household.knife,
    "drill": household.drill,
    "clamp": household.clamp,
    "padlock": household.padlock,
    "key": household.key,
    "roll of tape": household.tape_roll,
    "remote control": household.remote,
    "mouse": household.mouse,
    "hinged box": articulated.hinged_box,
    "scissors": articulated.scissors,
    "laptop": articulated.laptop,
    "book": articulated.book,
    "drawer": articulated.drawer,
    "spray bottle": articulated.spray_bottle,
    "pill box": articulated.pill_box,
    "tongs": articulated.tongs,
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
