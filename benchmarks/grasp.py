"""How often each of the 33 grasps is found on random things, how well it holds, and what it costs on one core.

    python benchmarks/grasp.py --count 24

Per kind: grasps found of those asked for, draws each took, share of its second finger's patches that touch, vertices in
contact, deepest vertex (mean and largest, millimetres), median cosine between the surfaces that are pressed, and
milliseconds of processor time.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from palmar.hand import HandModel
from palmar.synth.grasp import GRASPS, Feel, possible, suits, take
from palmar.synth.things import sample_thing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--seed", type=int, default=18)
    options = parser.parse_args()
    model = HandModel.default()
    shapes = [np.random.default_rng(i).normal(size=10).clip(-2.5, 2.5) for i in range(4)]
    hands = [Feel.of(model.shaped(shape)) for shape in shapes]
    warm = sample_thing(np.random.default_rng(0), "soup can")
    take(np.random.default_rng(0), hands[0], warm, next(iter(possible(warm))))
    found_all, asked_all, spent_all = 0, 0, []
    print("kind                      found   draws  touch  contact  deepest mm   against    ms")
    for kind in GRASPS.values():
        grasps, spent, asked = [], [], 0
        for index in range(60 * options.count):
            rng = np.random.default_rng((options.seed, kind.number, index))
            thing, hand = sample_thing(rng), hands[index % len(hands)]
            if not any(suits(kind, grip, hand.scale) for grip in thing.grips):
                continue
            asked += 1
            start = time.process_time()
            grasp = take(rng, hand, thing, kind)
            spent.append(1e3 * (time.process_time() - start))
            if grasp is not None:
                grasps.append(grasp)
            if asked == options.count:
                break
        found_all, asked_all, spent_all = found_all + len(grasps), asked_all + asked, spent_all + spent
        depth = [1e3 * g.penetration for g in grasps]
        touch = np.mean([np.mean([name in g.touching for name in kind.twos]) for g in grasps])
        print(
            f"{kind.number:2d} {kind.name:22s} {len(grasps):3d}/{asked:<3d} {np.mean([g.draws for g in grasps]):6.2f}"
            f" {touch:6.2f} {np.mean([g.contact.sum() for g in grasps]):8.0f}"
            f"   {np.mean(depth):4.2f} {max(depth):5.2f} {np.median([g.opposition for g in grasps]):9.2f}"
            f" {np.mean(spent):5.0f}",
            flush=True,
        )
    print(
        f"all {found_all}/{asked_all} = {found_all / asked_all:.3f}, "
        f"{np.mean(spent_all):.0f} ms mean, {np.percentile(spent_all, 95):.0f} ms for 95 of 100"
    )


if __name__ == "__main__":
    main()
