"""Skin brought into touch with a solid: one compiled Levenberg-Marquardt loop over joint angles and the wrist.

Minimised are, in millimetres and units like them,
- skin deeper in the solid than is allowed,
- the distance to the solid of each patch that should touch: of its nearest vertex and, softer, of its middle,
- what the posture and the wrist differ from those they started from,
- fingers that run into each other (capsules of `palmar.synth.collision`).
Derivatives of a vertex by an angle are those of a rigid turn about the joint, by the share of the vertex that the joint
moves (Romero et al. 2017, eq. 2 differentiated, without second-order terms of blending).
"""

from __future__ import annotations

import numpy as np

from palmar.render.kernel import kernel
from palmar.synth.collision import _overlaps
from palmar.synth.things.solid import at_point

ALLOWED = 0.0006
"""Metres that skin may lie in a solid without any push back: flesh gives."""
PRESSED = 0.0004
"""Metres that the nearest vertex of a touching patch should be pressed in."""
_FAR = 0.012
"""Metres beyond which the pull of a patch no longer grows much."""


@kernel()
def _rotate(axis, angle, out):
    """out <- out @ rotation(axis, angle), Rodrigues."""
    if angle == 0.0:
        return
    c, s = np.cos(angle), np.sin(angle)
    x, y, z = axis[0], axis[1], axis[2]
    for i in range(3):
        a, b, d = out[i, 0], out[i, 1], out[i, 2]
        dot = (a * x + b * y + d * z) * (1 - c)
        out[i, 0] = a * c - (y * d - z * b) * s + x * dot
        out[i, 1] = b * c - (z * a - x * d) * s + y * dot
        out[i, 2] = d * c - (x * b - y * a) * s + z * dot


@kernel()
def _forward(angles, joints, axes):
    """Rotation [15, 3, 3] and origin [15, 3] of the bones, and axes of the motions [5, 3, 3, 3], hand frame."""
    turns = np.empty((15, 3, 3))
    origins = np.empty((15, 3))
    world = np.empty((5, 3, 3, 3))
    for f in range(5):
        turn = np.eye(3)
        here = joints[f, 0].copy()
        for k in range(3):
            for m in (1, 0, 2):  # abduction, flexion, twist
                for i in range(3):
                    world[f, k, m, i] = (
                        turn[i, 0] * axes[f, k, m, 0] + turn[i, 1] * axes[f, k, m, 1] + turn[i, 2] * axes[f, k, m, 2]
                    )
                _rotate(axes[f, k, m], angles[f, k, m], turn)
            turns[3 * f + k] = turn
            origins[3 * f + k] = here
            if k < 2:
                for i in range(3):
                    for j in range(3):
                        here[i] += turn[i, j] * (joints[f, k + 1, j] - joints[f, k, j])
    return turns, origins, world


@kernel()
def _blend(turns, origins, joints, rest, bones, weights, out):
    for v in range(len(rest)):
        x, y, z = 0.0, 0.0, 0.0
        for j in range(4):
            w = weights[v, j]
            if w == 0.0:
                continue
            b = bones[v, j]
            if b == 15:
                x += w * rest[v, 0]
                y += w * rest[v, 1]
                z += w * rest[v, 2]
            else:
                f, k = b // 3, b % 3
                p, q, r = rest[v, 0] - joints[f, k, 0], rest[v, 1] - joints[f, k, 1], rest[v, 2] - joints[f, k, 2]
                t = turns[b]
                x += w * (origins[b, 0] + t[0, 0] * p + t[0, 1] * q + t[0, 2] * r)
                y += w * (origins[b, 1] + t[1, 0] * p + t[1, 1] * q + t[1, 2] * r)
                z += w * (origins[b, 2] + t[2, 0] * p + t[2, 1] * q + t[2, 2] * r)
        out[v, 0], out[v, 1], out[v, 2] = x, y, z


@kernel()
def pose_skin(angles, joints, axes, rest, bones, weights):
    """Skin vertices [n, 3] in the hand frame."""
    turns, origins, _ = _forward(angles, joints, axes)
    out = np.empty_like(rest)
    _blend(turns, origins, joints, rest, bones, weights, out)
    return out


@kernel()
def _distances(skin, turn, place, steps, values, outline, stack, always, seen, known, out):
    """Of the skin to the solid; turn, place: thing_from_hand. Exact where `always`, and for all that may lie inside.

    For others a bound from below that is above 0: no distance changes faster than one walks. seen [n, 3], known [n]:
    where each vertex was last looked at, and what its distance was then.
    """
    for v in range(len(skin)):
        x, y, z = skin[v, 0], skin[v, 1], skin[v, 2]
        px = turn[0, 0] * x + turn[0, 1] * y + turn[0, 2] * z + place[0]
        py = turn[1, 0] * x + turn[1, 1] * y + turn[1, 2] * z + place[1]
        pz = turn[2, 0] * x + turn[2, 1] * y + turn[2, 2] * z + place[2]
        if not always[v]:
            walked = np.sqrt((px - seen[v, 0]) ** 2 + (py - seen[v, 1]) ** 2 + (pz - seen[v, 2]) ** 2)
            if known[v] - walked > 0.0:
                out[v] = known[v] - walked
                continue
        out[v] = at_point(steps, values, outline, px, py, pz, stack)
        seen[v, 0], seen[v, 1], seen[v, 2], known[v] = px, py, pz, out[v]


@kernel()
def _gradient(point, turn, place, steps, values, outline, stack, out):
    """Of the distance at one skin point, hand frame, by central differences."""
    step = 2e-4  # wide enough to look around edges of thin things
    for i in range(3):
        d = 0.0
        for sign in (-1.0, 1.0):
            x, y, z = point[0], point[1], point[2]
            if i == 0:
                x += sign * step
            elif i == 1:
                y += sign * step
            else:
                z += sign * step
            d += sign * at_point(
                steps,
                values,
                outline,
                turn[0, 0] * x + turn[0, 1] * y + turn[0, 2] * z + place[0],
                turn[1, 0] * x + turn[1, 1] * y + turn[1, 2] * z + place[1],
                turn[2, 0] * x + turn[2, 1] * y + turn[2, 2] * z + place[2],
                stack,
            )
        out[i] = d / (2 * step)


@kernel()
def close(angles, goal, deepest, turn, place, hand, body, solid):
    """Fingers bent from `angles` towards `goal` until they touch: all joints together, then those beyond the bone that
    touches. Skin may go `deepest` metres in; a finger that begins deeper stays where it is."""
    rest, bones, weights = hand
    joints, axes = body[0], body[1]
    steps, values, outline = solid
    stack = np.empty(16)
    angles = angles.copy()
    for f in range(5):
        own = np.zeros(len(rest), np.bool_)
        for v in range(len(rest)):
            for j in range(4):
                if bones[v, j] // 3 == f and bones[v, j] < 15 and weights[v, j] > 0.3:
                    own[v] = True
        rows = np.flatnonzero(own)
        part_rest, part_bones, part_weights = rest[rows], bones[rows], weights[rows]
        skin, distance = np.empty((len(rows), 3)), np.empty(len(rows))
        always, seen, known = np.zeros(len(rows), np.bool_), np.zeros((len(rows), 3)), np.full(len(rows), -1.0)
        first = 0
        while first < 3:
            begin = angles[f].copy()
            touched = -1
            for step in range(1, 25):
                for k in range(first, 3):
                    for m in range(3):
                        angles[f, k, m] = begin[k, m] + (goal[f, k, m] - begin[k, m]) * step / 24.0
                turns, origins, _ = _forward(angles, joints, axes)
                _blend(turns, origins, joints, part_rest, part_bones, part_weights, skin)
                _distances(skin, turn, place, steps, values, outline, stack, always, seen, known, distance)
                worst = np.argmin(distance)
                if distance[worst] < -deepest:
                    best = np.argmax(part_weights[worst])
                    touched = part_bones[worst, best] % 3 if part_bones[worst, best] // 3 == f else 0
                    for k in range(first, 3):
                        for m in range(3):
                            angles[f, k, m] = begin[k, m] + (goal[f, k, m] - begin[k, m]) * (step - 1) / 24.0
                    break
            if touched < 0:
                break
            first = max(first, touched) + 1
    return angles


@kernel()
def _soft(d):
    """Cost of a distance that is pulled, and its weight: pseudo-Huber."""
    root = np.sqrt(1.0 + (d / 0.012) ** 2)
    return 2 * 0.012**2 * (root - 1.0), 1.0 / root


@kernel()
def _cost(
    distance,
    angles,
    start,
    sd,
    moved,
    wrist_sd,
    patch,
    first,
    pull,
    push,
    joints,
    axes,
    ends,
    radii,
    slack,
    pairs,
    apart,
):
    """Everything that is minimised, and the nearest row of every patch."""
    total = 0.0
    for v in range(len(distance)):
        over = -distance[v] - 0.0006
        if over > 0.0:
            total += (push * 1e3 * over) ** 2
    nearest = np.empty(len(pull), np.int64)
    for c in range(len(pull)):
        best = first[c]
        for r in range(first[c], first[c + 1]):
            if distance[patch[r]] < distance[patch[best]]:
                best = r
        nearest[c] = patch[best]
        one, _ = _soft(distance[nearest[c]] + 0.0004)
        two, _ = _soft(max(distance[patch[first[c]]], 0.0))
        total += (1e3 * pull[c]) ** 2 * (one + 0.15 * two)
    for f in range(5):
        for k in range(3):
            for m in range(3):
                if sd[f, k, m] > 0.0:
                    total += ((angles[f, k, m] - start[f, k, m]) / sd[f, k, m]) ** 2
    for f in range(1, 5):
        off = angles[f, 2, 0] - start[f, 2, 0] - 0.67 * (angles[f, 1, 0] - start[f, 1, 0])
        total += (off / 0.25) ** 2
    for i in range(6):
        total += (moved[i] / wrist_sd[i]) ** 2
    if apart > 0.0:
        over = _overlaps(angles, joints, axes, ends, radii, pairs) - slack
        for n in range(len(over)):
            if over[n] > 0.0:
                total += (apart * 1e3 * over[n]) ** 2
    return total, nearest


@kernel()
def _inside(angles, low, high, rise, rise_per_flexion, loss):
    """Angles brought into their ranges, abduction into what flexion leaves of it."""
    for f in range(5):
        for k in range(3):
            for m in range(3):
                angles[f, k, m] = min(max(angles[f, k, m], low[f, k, m]), high[f, k, m])
    angles[0, 0, 1] = min(angles[0, 0, 1], rise - rise_per_flexion * angles[0, 0, 0])
    for f in range(1, 5):
        reach = min(1.0, 1.0 - loss * angles[f, 0, 0]) * high[f, 0, 1]
        angles[f, 0, 1] = min(max(angles[f, 0, 1], -reach), reach)


@kernel()
def fit(start, sd, low, high, bend, turn, place, wrist_sd, hand, body, touch, push, apart, solid, rounds):
    """Angles, thing_from_hand (rotation and place) and the cost at the end.

    start, sd: posture aimed at and how far from it is 1 unit; begins there. low, high: ranges; bend: the constants of
    `_inside`. wrist_sd [6]: radians about and metres along the hand's axes. hand: rest, bones, weights. body: joints,
    axes, ends, radii, slack, pairs. touch: patch rows, first of each patch, pull of each. push: weight of skin in the
    solid. apart: weight of fingers in each other. solid: steps, values, outline.
    """
    rest, bones, weights = hand
    joints, axes, ends, radii, slack, pairs = body
    patch, first, pull = touch
    steps, values, outline = solid
    rise, rise_per_flexion, loss = bend
    n = len(rest)
    stack = np.empty(16)
    angles, turn, place = start.copy(), turn.copy(), place.copy()
    _inside(angles, low, high, rise, rise_per_flexion, loss)
    moved = np.zeros(6)
    dof = np.empty((45, 3), np.int64)
    count = 0
    for f in range(5):
        for k in range(3):
            for m in range(3):
                if high[f, k, m] > low[f, k, m] and sd[f, k, m] > 0.0:
                    dof[count, 0], dof[count, 1], dof[count, 2] = f, k, m
                    count += 1
    size = count + 6
    skin, distance = np.empty((n, 3)), np.empty(n)
    always, seen, known = np.zeros(n, np.bool_), np.zeros((n, 3)), np.full(n, -1.0)
    for r in range(len(patch)):
        always[patch[r]] = True
    turns, origins, world = _forward(angles, joints, axes)
    _blend(turns, origins, joints, rest, bones, weights, skin)
    _distances(skin, turn, place, steps, values, outline, stack, always, seen, known, distance)
    cost, nearest = _cost(
        distance,
        angles,
        start,
        sd,
        moved,
        wrist_sd,
        patch,
        first,
        pull,
        push,
        joints,
        axes,
        ends,
        radii,
        slack,
        pairs,
        apart,
    )
    damp = 0.03
    row, g = np.empty(size), np.empty(3)
    new_skin, new_distance = np.empty((n, 3)), np.empty(n)
    stalled = 0
    for _ in range(rounds):
        normal, right = np.zeros((size, size)), np.zeros(size)
        for item in range(n + 2 * len(pull)):
            if item < n:
                v = item
                over = -distance[v] - 0.0006
                if over <= 0.0:
                    continue
                weight, residual = (push * 1e3) ** 2, -over
            else:
                c = (item - n) // 2
                if (item - n) % 2 == 0:
                    v, share = nearest[c], 1.0
                    residual = distance[v] + 0.0004
                else:
                    v, share = patch[first[c]], 0.15
                    residual = distance[v]
                    if residual <= 0.0:
                        continue
                _, soft = _soft(residual)
                weight = (1e3 * pull[c]) ** 2 * soft * share
            _gradient(skin[v], turn, place, steps, values, outline, stack, g)
            x, y, z = skin[v, 0], skin[v, 1], skin[v, 2]
            for d in range(count):
                f, k, m = dof[d, 0], dof[d, 1], dof[d, 2]
                share = 0.0
                for j in range(4):
                    b = bones[v, j]
                    if b < 15 and b // 3 == f and b % 3 >= k:
                        share += weights[v, j]
                if share == 0.0:
                    row[d] = 0.0
                    continue
                o, a = origins[3 * f + k], world[f, k, m]
                p, q, r = x - o[0], y - o[1], z - o[2]
                row[d] = share * (
                    g[0] * (a[1] * r - a[2] * q) + g[1] * (a[2] * p - a[0] * r) + g[2] * (a[0] * q - a[1] * p)
                )
            row[count], row[count + 1], row[count + 2] = y * g[2] - z * g[1], z * g[0] - x * g[2], x * g[1] - y * g[0]
            row[count + 3], row[count + 4], row[count + 5] = g[0], g[1], g[2]
            for i in range(size):
                if row[i] == 0.0:
                    continue
                right[i] -= weight * row[i] * residual
                for j in range(i + 1):
                    normal[i, j] += weight * row[i] * row[j]
        for d in range(count):
            f, k, m = dof[d, 0], dof[d, 1], dof[d, 2]
            w = 1.0 / sd[f, k, m] ** 2
            normal[d, d] += w
            right[d] -= w * (angles[f, k, m] - start[f, k, m])
        for f in range(1, 5):  # the end joint goes along with the middle one
            pip, dip = -1, -1
            for d in range(count):
                if dof[d, 0] == f and dof[d, 1] == 1 and dof[d, 2] == 0:
                    pip = d
                if dof[d, 0] == f and dof[d, 1] == 2 and dof[d, 2] == 0:
                    dip = d
            if pip < 0 or dip < 0:
                continue
            off = angles[f, 2, 0] - start[f, 2, 0] - 0.67 * (angles[f, 1, 0] - start[f, 1, 0])
            w = 1.0 / 0.25**2
            normal[dip, dip] += w
            normal[pip, pip] += w * 0.67 * 0.67
            normal[max(pip, dip), min(pip, dip)] -= w * 0.67
            right[dip] -= w * off
            right[pip] += w * 0.67 * off
        for i in range(6):
            w = 1.0 / wrist_sd[i] ** 2
            normal[count + i, count + i] += w
            right[count + i] -= w * moved[i]
        if apart > 0.0:
            over = _overlaps(angles, joints, axes, ends, radii, pairs) - slack
            if over.max() > 0.0:
                slope = np.empty((count, len(over)))
                for d in range(count):
                    f, k, m = dof[d, 0], dof[d, 1], dof[d, 2]
                    angles[f, k, m] += 1e-4
                    slope[d] = (_overlaps(angles, joints, axes, ends, radii, pairs) - slack - over) / 1e-4
                    angles[f, k, m] -= 1e-4
                w = (apart * 1e3) ** 2
                for p in range(len(over)):
                    if over[p] > 0.0:
                        for i in range(count):
                            right[i] -= w * slope[i, p] * over[p]
                            for j in range(i + 1):
                                normal[i, j] += w * slope[i, p] * slope[j, p]
        for i in range(size):
            for j in range(i):
                normal[j, i] = normal[i, j]

        better = False
        for _try in range(4):
            system = normal.copy()
            for i in range(size):
                system[i, i] += damp * (normal[i, i] + 1.0)
            step = np.linalg.solve(system, right)
            longest = 0.0
            for i in range(size):
                longest = max(longest, abs(step[i]) * (1.0 if i < count + 3 else 20.0))
            if longest > 0.5:
                step *= 0.5 / longest
            new = angles.copy()
            for d in range(count):
                new[dof[d, 0], dof[d, 1], dof[d, 2]] += step[d]
            _inside(new, low, high, rise, rise_per_flexion, loss)
            new_turn, new_place = turn.copy(), place.copy()
            for i in range(3):
                for j in range(3):
                    new_place[i] += turn[i, j] * step[count + 3 + j]
            size_of = np.sqrt(step[count] ** 2 + step[count + 1] ** 2 + step[count + 2] ** 2)
            if size_of > 0.0:
                _rotate(step[count : count + 3] / size_of, size_of, new_turn)
            new_moved = moved + step[count:]
            turns, origins, world = _forward(new, joints, axes)
            _blend(turns, origins, joints, rest, bones, weights, new_skin)
            _distances(new_skin, new_turn, new_place, steps, values, outline, stack, always, seen, known, new_distance)
            new_cost, new_nearest = _cost(
                new_distance, new, start, sd, new_moved, wrist_sd, patch, first, pull, push,
                joints, axes, ends, radii, slack, pairs, apart,
            )  # fmt: skip
            if new_cost < cost:
                better = True
                stalled = stalled + 1 if cost - new_cost < 1e-3 * cost + 1e-3 else 0
                angles, turn, place, moved = new, new_turn, new_place, new_moved
                skin, new_skin = new_skin, skin
                distance, new_distance = new_distance, distance
                cost, nearest = new_cost, new_nearest
                damp = max(damp / 4.0, 1e-4)
                break
            damp *= 5.0
        if not better or stalled >= 3:
            break
        turns, origins, world = _forward(angles, joints, axes)
    return angles, turn, place, cost
