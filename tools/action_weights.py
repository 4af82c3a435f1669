"""Make the default recogniser of actions, and say how it does on clips of bodies, things and rooms it never saw.

    palmar synth sequences --kind sequences --scene acting --fps 15 --count 1380 --seed 11
    palmar synth sequences-test --kind sequences --scene acting --fps 15 --count 230 --seed 12
    python tools/action_weights.py sequences sequences-test -o src/palmar/weights

It is shown whole clips and parts of them, with pixel noise on hands and box, as a tracker makes, and with hands, box or
label missing. The vocabulary is that of the detector of used objects, so that its answers mean the same to both.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np

import palmar
from palmar.data.ego import read_ego
from palmar.licenses import world
from palmar.methods.effhandegonet.action import fit
from palmar.methods.effhandegonet.sequences import Layout
from palmar.recognition.own import WINDOWS, Recogniser, write_recogniser
from palmar.types import EgoClip, Vocabulary

NOISE = 0.006
"""Standard deviation of what is added to joints and box points, metres."""


def noisy(clip: EgoClip, rng: np.random.Generator) -> EgoClip:
    joints = clip.joints + rng.normal(0, NOISE, clip.joints.shape).astype(np.float32)
    points = clip.points + rng.normal(0, 2 * NOISE, (len(clip), 1, 3)).astype(np.float32)
    return replace(clip, joints=joints, points=points)


def parts(clip: EgoClip) -> list[EgoClip]:
    t = len(clip)
    return [clip[int(a * t) : max(int(b * t), int(a * t) + 1)] for a, b in WINDOWS]


def blind(clip: EgoClip) -> EgoClip:
    """Without the object, as where no detector found it."""
    return replace(clip, objects=0 * clip.objects, points=np.full_like(clip.points, np.nan))


def words(actions: tuple[str, ...], objects: tuple[str, ...]) -> Vocabulary:
    """Verbs and objects of the actions' names: the object is the longest name of one that they end with."""
    verbs: list[str] = []
    verb_of, object_of = [], []
    for action in actions:
        thing = max((o for o in objects if action.endswith(f" {o}")), key=len, default="none")
        verb = action if thing == "none" else action[: -len(thing) - 1]
        verbs += [verb] if verb not in verbs else []
        verb_of.append(verbs.index(verb))
        object_of.append(objects.index(thing))
    return Vocabulary(objects, actions, tuple(verbs), tuple(verb_of), tuple(object_of))


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("train", type=Path)
    ask.add_argument("test", type=Path)
    ask.add_argument("-o", "--out", type=Path, required=True)
    ask.add_argument("--steps", type=int, default=4000)
    ask.add_argument("--seed", type=int, default=0)
    given = ask.parse_args()
    objects = tuple(json.loads((files("palmar") / "weights" / "objects.json").read_text())["objects"])
    vocabulary = words(read_ego(given.train).vocabulary.actions, objects)
    shown, held = (list(read_ego(folder, vocabulary).clips) for folder in (given.train, given.test))
    rng = np.random.default_rng(given.seed)
    clips = [noisy(part, rng) for clip in shown for part in parts(clip)]
    clips += [blind(noisy(clip, rng)) for clip in shown]
    fitted = fit(clips, vocabulary, layout=Layout(), steps=given.steps, seed=given.seed, rate=2e-3, quiet=False)
    truth = np.array([clip.action for clip in held])
    verbs = np.array(vocabulary.verb_of)

    def right(seen: list[EgoClip]) -> dict[str, float]:
        said = fitted.logits(seen).argmax(1)
        return {"top1": float((said == truth).mean()), "verb": float((verbs[said] == verbs[truth]).mean())}

    figures = {
        "held-out clips": len(held),
        "classes": len(vocabulary.actions) - 1,
        "true poses": right(held),
        "true poses with noise": right([noisy(c, rng) for c in held]),
        "first 60 % of each clip": right([parts(c)[1] for c in held]),
        "without the object": right([blind(c) for c in held]),
        "chance": 1 / (len(vocabulary.actions) - 1),
    }
    print(json.dumps(figures, indent=1))
    seconds = float(np.median([c.times[-1] for c in shown]))
    about = {"steps": given.steps, "seed": given.seed, "clips": len(shown), "palmar": palmar.__version__, **figures}
    write_recogniser(Recogniser(fitted, seconds, None, "", about), given.out, world())


if __name__ == "__main__":
    main()
