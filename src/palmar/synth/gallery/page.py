"""The page of the gallery: samples with the truth over them, then every sensor, sort of scene by sort of scene.

Pictures lie side by side in strips, one for a still scene and many for a moving one, which the page runs through. The
truth is a drawing of its own, as large as the strip, that can be switched off. No script, nothing from elsewhere.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8

import palmar
from palmar.media import whole_folder
from palmar.synth.dataset import Look, Recipe, truth
from palmar.synth.gallery import pictures
from palmar.synth.scenes import SCENES
from palmar.synth.sense import STEP, Reading, masks
from palmar.synth.world import Scene, Shot, View
from palmar.types import Hands
from palmar.view import Style, draw
from palmar.view.sheet import sheet

MARKER = "gallery.json"
QUALITY = 78
COLOURS = ["#%02x%02x%02x" % colour for colour in (Style().palm, *Style().fingers)]  # noqa: UP031
TILE = 0.62
"""Width of a sensor's picture over that of a sample."""


@dataclass(frozen=True)
class Wanted:
    """What stands on the page."""

    scenes: tuple[str, ...]
    sensors: tuple[str, ...]
    seed: int
    indices: range
    width: int
    frames: int


@dataclass
class Folder:
    """Where the pictures go."""

    at: Path
    made: list[str] = field(default_factory=list)

    def picture(self, name: str, image: UInt8[np.ndarray, "h w 3"], *, flat: bool = False) -> str:
        """Write it, and give its place from the page. flat: few colours, and so a PNG."""
        ending, how = (
            (".png", [cv2.IMWRITE_PNG_COMPRESSION, 9]) if flat else (".jpg", [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        )
        ok, data = cv2.imencode(ending, np.ascontiguousarray(image[..., ::-1]), how)
        assert ok
        return self.text(name + ending, data.tobytes())

    def text(self, name: str, data: bytes) -> str:
        (self.at / "pictures").mkdir(exist_ok=True)
        (self.at / "pictures" / name).write_bytes(data)
        self.made.append(name)
        return f"pictures/{name}"


def write_page(
    out: Path, wanted: Wanted, progress: Callable[[int, int | None], None], *, overwrite: bool = False
) -> None:
    """Write the gallery as the folder `out`, whole or not at all."""
    with whole_folder(out, overwrite, marker=MARKER) as part:
        folder = Folder(part)
        sections = []
        first = [_drawn(wanted, name) for name in wanted.scenes]
        folder.picture("../overview", sheet(first, min(4, len(first)), gap=6))
        for done, name in enumerate(wanted.scenes, 1):
            sections.append(_section(folder, wanted, name))
            progress(done, len(wanted.scenes))
        legend = folder.picture("wheel", pictures.flow_wheel())
        (part / "index.html").write_text(_html(wanted, sections, legend), encoding="utf-8")
        about = {"palmar": palmar.__version__, "seed": wanted.seed, "scenes": wanted.scenes, "sensors": wanted.sensors}
        (part / MARKER).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def _drawn(wanted: Wanted, name: str) -> UInt8[np.ndarray, "h w 3"]:
    """A moment in which much of the hands is to be seen, with them drawn on it, at 3 x 4."""
    recipe = Recipe("scenes", wanted.seed, (name,), width=max(wanted.width, 360))
    scenes = [(index, SCENES[name](wanted.seed, index)) for index in wanted.indices[:2]]
    places = [
        (_shown(scene, view, 0.1 * tenth * scene.seconds), index, number, 0.1 * tenth * scene.seconds)
        for index, scene in scenes
        for number, view in enumerate(scene.views)
        for tenth in (range(1, 10, 2) if scene.seconds > 0 else (0,))
    ]
    _, index, number, time = max(places)
    shot, look = next(iter(_looks(dict(scenes)[index], recipe, index, [time], number)))
    image = look("clean")["clean"]
    known = [hand for hand in truth(shot)["hands"] if all(point is not None for point in hand["keypoints"])]
    points = np.array([hand["keypoints"] for hand in known], np.float32).reshape(-1, 21, 2)
    sure = np.where(np.array([hand["seen"] for hand in known]).reshape(-1, 21) == 0, 1.0, 0.35)
    n = len(known)
    hands = Hands(
        np.zeros(n, np.int32), np.full(n, -1, np.int32), np.zeros(n, np.int32),
        np.array([hand["side"] for hand in known], np.uint8), np.ones(n, np.float32),
        np.concatenate([points.min(1), points.max(1)], 1) if n else np.zeros((0, 4), np.float32),
        np.concatenate([points, sure[..., None].astype(np.float32)], -1),
    )  # fmt: skip
    image = draw(image, hands, Style(label=False, width=1.2))
    height, width = image.shape[:2]
    tall = round(0.75 * width)
    if height > tall:
        top = (height - tall) // 2
        return image[top : top + tall]
    return cv2.copyMakeBorder(image, 0, tall - height, 0, 0, cv2.BORDER_CONSTANT, value=(255, 255, 255))


def _shown(scene: Scene, view: View, time: float) -> float:
    """How much of the hands lies in the picture: a hand that fills a fifth of its width, whole, counts 1."""
    camera, total = view.camera_at(time), 0.0
    pose = camera.world_from_camera
    assert pose is not None
    for hand in scene.at(time).hands:
        pixels = camera.project((hand.joints - pose[:3, 3]) @ pose[:3, :3])
        inside = camera.inside(pixels)
        if inside.mean() > 0.5:
            size = float(np.ptp(pixels[inside], axis=0).max()) / camera.width
            total += float(inside.mean()) ** 2 * min(size / 0.2, 1.0)
    return total


# One sort of scene ----------------------------------------------------------------------------------------------------


def _section(folder: Folder, wanted: Wanted, name: str) -> str:
    recipe = Recipe("scenes", wanted.seed, (name,), wanted.sensors, width=wanted.width)
    cards, tiles = [], ""
    for number, index in enumerate(wanted.indices):
        scene = SCENES[name](wanted.seed, index)
        if number == 0:
            tiles = _tiles(folder, wanted, name, scene, recipe, index)
        for view in range(min(len(scene.views), 3) if number == 0 else 1):
            cards.append(_card(folder, wanted, name, scene, recipe, index, view))
    first = wanted.indices[0]
    command = (
        f"palmar synth OUT --kind scenes --scene {shlex.quote(name)} --seed {wanted.seed} --first {first} "
        f"--count {len(wanted.indices)}"
    )
    said = (sys.modules[SCENES[name].__module__].__doc__ or "").strip().split("\n\n")[0]
    return f"""<section id="{_slug(name)}">
<h2>{escape(_words(name))}</h2>
<p class="lead">{_prose(said)}</p>
<div class="cards">{"".join(cards)}</div>
<h3>Through every sensor <span class="dim">seed {wanted.seed}, index {first}</span></h3>
<div class="tiles">{tiles}</div>
<pre><code>{escape(command)}</code></pre>
</section>"""


def _looks(scene: Scene, recipe: Recipe, index: int, times: Sequence[float], view: int) -> Iterable[tuple[Shot, Look]]:
    return (found for found in recipe.shots(scene, index, times) if found[1].number == view)


def _card(folder: Folder, wanted: Wanted, name: str, scene: Scene, recipe: Recipe, index: int, view: int) -> str:
    """A sample: its strip, the truth over it, and a caption."""
    times = [scene.seconds * k / wanted.frames for k in range(wanted.frames)] if scene.seconds > 0 else [0.0]
    strip, drawn = [], []
    for shot, look in _looks(scene, recipe, index, times, view):
        strip.append(look("clean")["clean"])
        drawn.append(_svg_frame(shot, len(drawn) * shot.camera.width))
    height, width = strip[0].shape[:2]
    stem = f"{_slug(name)}-{index}-{view}"
    picture = folder.picture(stem, np.concatenate(strip, 1))
    over = folder.text(f"{stem}.svg", _svg(drawn, width, height).encode())
    said = "" if view else "".join(f'<p class="said">{escape(text)}</p>' for text in _texts(scene))
    about = f"index {index} · {escape(scene.views[view].name)}" + (
        f" · {scene.seconds:.1f} s" if len(strip) > 1 else ""
    )
    label = escape(f"{_words(name)}, seed {wanted.seed}, index {index}")
    return (
        f'<figure style="--r:{width / height:.3f}">'
        f'<div class="strip" role="img" aria-label="{label}" style="{_strip(strip, scene.seconds)}">'
        f'<i style="background-image:url({picture})"></i>'
        f'<i class="truth" style="background-image:url({over})"></i></div>'
        f"<figcaption>{about}{said}</figcaption></figure>"
    )


def _texts(scene: Scene) -> list[str]:
    """Up to three sentences, in the order of time; those about things before those of rest."""
    told = {segment.text: segment for segment in scene.segments if segment.text}
    best = sorted(told.values(), key=lambda segment: (not segment.noun, segment.start))[:3]
    return [segment.text for segment in sorted(best, key=lambda segment: segment.start)]


def _strip(frames: Sequence[UInt8[np.ndarray, "h w 3"]], seconds: float) -> str:
    height, width = frames[0].shape[:2]
    return f"aspect-ratio:{width}/{height};--n:{len(frames)};--s:{max(seconds, 0.1):.2f}s"


def _svg_frame(shot: Shot, x: int) -> str:
    """The truth of a frame, `x` pixels to the right in the strip; what leaves the frame is cut off."""
    width, height = shot.camera.width, shot.camera.height
    known = truth(shot)
    unit = max(width / 320, 0.6)
    parts = []
    numbers, whole = masks.amodal(shot)
    names = {thing["instance"]: thing["name"] for thing in known["things"]}
    for number, mask in zip(numbers, whole, strict=True):
        if number in names and mask.any():
            x0, y0, x1, y1 = masks.box(mask)
            parts.append(
                f'<rect x="{x0:.1f}" y="{y0:.1f}" width="{x1 - x0:.1f}" height="{y1 - y0:.1f}" rx="2" stroke="#fff" '
                f'stroke-width="{unit:.1f}" stroke-dasharray="3 3"/>'
                + _svg_text(_words(names[number]), x0, y0 - 3 * unit, unit, "#fff")
            )
    for hand in known["hands"]:
        parts.append(_svg_hand(hand, unit))
    return (
        f'<svg x="{x - 0.5}" y="-0.5" width="{width}" height="{height}" viewBox="-0.5 -0.5 {width} {height}" '
        f'overflow="hidden">{"".join(parts)}</svg>'
    )


def _svg_text(text: str, x: float, y: float, unit: float, colour: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{max(y, 9 * unit):.1f}" font-size="{9 * unit:.1f}" fill="{colour}" stroke="#000" '
        f'stroke-width="{1.6 * unit:.1f}" paint-order="stroke">{escape(text)}</text>'
    )


def _svg_hand(hand: Mapping[str, Any], unit: float) -> str:
    """Skeleton, fingers in colour, hidden joints hollow, and the side beside the wrist. Small hands get thin lines."""
    known = np.array([point for point in hand["keypoints"] if point is not None], np.float64).reshape(-1, 2)
    size = float(np.ptp(known, axis=0).max()) if len(known) else 0.0
    line, unit = unit, unit * float(np.clip(size / (80 * unit), 0.4, 1.3))
    at = [None if point is None else np.asarray(point, float).clip(-9999, 9999) for point in hand["keypoints"]]
    seen = np.asarray(hand["seen"]) == masks.Seen.VISIBLE
    palm, rows, hidden = "", "", ""
    for finger in range(5):
        chain = [at[0], *at[4 * finger + 1 : 4 * finger + 5]]
        palm += _svg_line(chain[:2])
        rows += f'<path class="f{finger}" d="{_svg_line(chain[1:])}"/>'
    for point, visible in zip(at, seen, strict=True):
        hidden += "" if point is None or visible else "M{:.1f} {:.1f}h0".format(*point)  # with round ends: a dot
    side = ""
    if at[0] is not None:
        side = _svg_text("R" if hand["side"] else "L", at[0][0] + 3 * line, at[0][1] + 9 * line, line, "#fff")
    return (
        f'<g stroke-width="{1.6 * unit:.1f}"><path class="p" d="{palm}"/>{rows}'
        f'<path class="h" stroke-width="{2.4 * unit:.1f}" d="{hidden}"/></g>{side}'
    )


def _svg_line(points: Sequence[np.ndarray | None]) -> str:
    """Through the points that there are; steps, for they are short to write."""
    out, before = "", None
    for point in points:
        if point is None:
            before = None
            continue
        at = np.round(point, 1)
        out += "M{:g} {:g}".format(*at) if before is None else "l{:g} {:g}".format(*np.round(at - before, 1))
        before = at
    return out


def _svg(frames: Sequence[str], width: int, height: int) -> str:
    """Frames side by side."""
    marks = "".join(
        f'<marker id="m{k}" viewBox="-1 -1 2 2" markerWidth="2.6" markerHeight="2.6" overflow="visible">'
        f'<circle r="1" fill="{colour}"/></marker>'
        for k, colour in enumerate(COLOURS)
    )
    style = f".p{{stroke:{COLOURS[0]};marker-start:url(#m0)}}.h{{stroke:#111}}" + "".join(
        f".f{k}{{stroke:{colour};marker:url(#m{k + 1})}}" for k, colour in enumerate(COLOURS[1:])
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-0.5 -0.5 {len(frames) * width} {height}" fill="none" '
        f'stroke-linecap="round" stroke-linejoin="round" font-family="system-ui,sans-serif"><style>{style}</style>'
        f'<defs>{marks}</defs><g style="filter:drop-shadow(0 0 .8px #000a)">{"".join(frames)}</g></svg>'
    )


# Sensors --------------------------------------------------------------------------------------------------------------


def _tiles(folder: Folder, wanted: Wanted, name: str, scene: Scene, recipe: Recipe, index: int) -> str:
    """Every array of every sensor, of a moment of the scene, by its first camera."""
    time = _telling(scene)
    (shot, look) = next(iter(_looks(scene, recipe, index, [time], 0)))
    plain = look("clean")["clean"]
    out = []
    for sensor in wanted.sensors:
        for title, image, about in _views_of(sensor, look(sensor), shot, plain):
            out.append(_tile(folder, name, index, title, image, about))
    touched = _contact(shot, plain)
    if touched is not None:
        about = "vertices that touch, yellow seen, red hidden"
        out.append(_tile(folder, name, index, "contact", touched, about))
    return "".join(out)


def _tile(folder: Folder, name: str, index: int, title: str, image: UInt8[np.ndarray, "h w 3"], about: str) -> str:
    flat, wide = _flat(image), image.shape[1] > 1.9 * image.shape[0]
    if not wide and image.shape[1] * TILE >= 150:
        size = (round(image.shape[1] * TILE), round(image.shape[0] * TILE))
        image = cv2.resize(image, size, interpolation=cv2.INTER_NEAREST if flat else cv2.INTER_AREA)
    source = folder.picture(f"{_slug(name)}-{index}-{title}", image, flat=flat)
    height, width = image.shape[:2]
    return (
        f'<figure{" class=wide" if wide else ""}><img src="{source}" width="{width}" height="{height}" loading="lazy" '
        f'alt="{escape(_words(title))}">'
        f"<figcaption><b>{escape(_words(title))}</b> {escape(about)}</figcaption></figure>"
    )


def _telling(scene: Scene) -> float:
    """A moment in which hands touch something and move, if there is one; else one near the middle."""
    times = [scene.seconds * k / 16 for k in (7, 5, 9, 11, 3, 13)] if scene.seconds > 0 else [0.0]
    found = []
    for time in times:
        now, then = scene.at(time).hands, scene.at(time + STEP).hands
        touches = any(hand.contact is not None and hand.contact.any() for hand in now)
        moves = max((float(np.abs(b.joints - a.joints).max()) for a, b in zip(now, then, strict=True)), default=0.0)
        found.append(touches + min(moves / 0.01, 1.0))  # a centimetre from picture to picture is plenty
    return times[int(np.argmax(found))]


def _flat(image: UInt8[np.ndarray, "h w 3"]) -> bool:
    """Whether it has so few colours that a PNG is small."""
    some = image[::3, ::3].reshape(-1, 3).astype(np.int32)
    return len(np.unique(some @ (65536, 256, 1))) <= 40


def _views_of(
    sensor: str, reading: Reading, shot: Shot, plain: UInt8[np.ndarray, "h w 3"]
) -> Iterable[tuple[str, UInt8[np.ndarray, "h w 3"], str]]:
    """(name, picture, a few words) of the arrays of a reading."""
    size = plain.shape[:2]
    if sensor == "amodal" and len(reading["instances"]):
        yield "amodal", pictures.outlines(plain, reading["amodal"], reading["instances"]), "whole shapes, as if alone"
        return
    if sensor == "joints":
        return  # drawn over the samples
    if sensor == "events":
        found = pictures.events(reading["x"], reading["y"], reading["polarity"], *reading["voxels"].shape[1:])
        yield sensor, found, f"{len(reading['x'])} in 1/30 s, blue brighter, red darker"
        return
    if sensor == "emg":
        for number, (hand, signal) in enumerate(zip(shot.moment.hands[:2], reading["emg"], strict=False)):
            about = f"16 electrodes around the {'right' if hand.side else 'left'} forearm, one second"
            yield f"emg_{number + 1}", pictures.traces(signal.T), about
        return
    for name, array in reading.items():
        title = name if name == sensor else f"{sensor}_{name}"
        if array.shape[:2] != size:
            continue
        image, about = _picture(title, array)
        if image is not None and (image != np.array(pictures.EMPTY, np.uint8)).any():
            yield title, image, about


def _picture(title: str, array: np.ndarray) -> tuple[UInt8[np.ndarray, "h w 3"] | None, str]:
    if title in ("rgb", "clean"):
        return array, "with a cheap camera's faults" if title == "rgb" else "without faults"
    if title == "normals":
        return pictures.normals(array.astype(np.float64)), "right red, up green, near blue"
    if title in ("flow_forward", "flow_backward"):
        length = np.linalg.norm(array, axis=-1)
        most = max(float(np.nanpercentile(length, 99)) if np.isfinite(length).any() else 1.0, 0.1)
        return pictures.flow(array.astype(np.float64), most), f"up to {most:.1f} px, colours as in the wheel"
    if title == "masks_part":
        finger = [-1] + [f for f in (1, 2, 4, 3, 0) for _ in range(3)] + [-2]
        return pictures.segments(array, finger, [0] + [0, 1, 2] * 5 + [0]), "16 parts"
    if title == "masks_fifteen":
        finger = [-3] + [f for f in range(5) for _ in range(3)]
        return pictures.segments(array, finger, [0] + [0, 1, 2] * 5), "15 segments"
    if title == "masks_two_hands":
        finger = [-3] + ([-1] + [f for f in (1, 2, 4, 3, 0) for _ in range(3)]) * 2
        found = pictures.segments(array, finger, [0] + ([0] + [0, 1, 2] * 5) * 2)
        return np.where((array >= 17)[..., None], found // 2 + 20, found).astype(np.uint8), "33 classes, left darker"
    if title == "masks_kind":
        return pictures.numbers(array.astype(np.int64), int(masks.NONE)), "hand, arm, body, cloth, wear, thing, room"
    if array.ndim == 2 and array.dtype.kind == "f":
        measured = title in ("structured_light", "time_of_flight")
        values = np.where((array == 0) & measured, np.nan, array).astype(np.float64)
        low, high = pictures.span(values)
        unit = " m" if measured or title == "depth" else ""
        return pictures.coloured(values, low, high), f"{low:.2f} to {high:.2f}{unit}"
    return pictures.anything(array), ""


def _contact(shot: Shot, plain: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"] | None:
    """The vertices of hands that touch something, over a grey picture; None where nobody knows of any."""
    pose = shot.camera.world_from_camera
    assert pose is not None
    grey = cv2.cvtColor(plain, cv2.COLOR_RGB2GRAY)
    out = np.repeat((0.45 * grey).astype(np.uint8)[..., None], 3, -1)
    depth, touching = shot.buffers.depth, 0
    for hand in shot.moment.hands:
        if hand.contact is None:
            continue
        points = (hand.vertices[hand.contact > 0.5] - pose[:3, 3]) @ pose[:3, :3]
        pixels = shot.camera.project(points)
        inside = shot.camera.inside(pixels)
        touching += int(inside.sum())
        for (x, y), z in zip(np.round(pixels[inside]).astype(int), points[inside, 2], strict=True):
            row, column = min(max(y, 0), depth.shape[0] - 1), min(max(x, 0), depth.shape[1] - 1)
            colour = (255, 214, 10) if z < depth[row, column] + 0.004 else (226, 62, 87)
            cv2.circle(out, (int(x), int(y)), 1, colour, -1, cv2.LINE_AA)
    return out if touching else None


# HTML -----------------------------------------------------------------------------------------------------------------


def _slug(name: str) -> str:
    """For addresses."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _words(name: str) -> str:
    return name.replace("_", " ")


def _prose(text: str) -> str:
    """A docstring as HTML: code between backticks."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(" ".join(text.split())))


STYLE = """
:root{color-scheme:light dark;--paper:#fbfaf8;--ink:#1c1d1f;--dim:#6d6f74;--line:#e4e1dc;--card:#fff;--link:#0b63b0}
@media (prefers-color-scheme:dark){:root{--paper:#131416;--ink:#e8e7e4;--dim:#9a9ba0;--line:#2a2c30;--card:#1b1d20;
--link:#7fb8ee}}
*{box-sizing:border-box}
html{scroll-behavior:smooth;scroll-padding-top:4.5rem}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",sans-serif;-webkit-font-smoothing:antialiased}
header,main,footer{max-width:1240px;margin:0 auto;padding:0 28px}
header{padding-top:56px}
h1{font-size:2.3rem;font-weight:650;letter-spacing:-.022em;line-height:1.15;margin:0 0 .6rem}
h2{font-size:1.5rem;font-weight:620;letter-spacing:-.012em;margin:0 0 .25rem}
h2::first-letter,.tiles b::first-letter{text-transform:uppercase}
h3{font-size:.98rem;font-weight:600;margin:1.8rem 0 .7rem}
p{margin:.3rem 0 1rem;max-width:46rem}
.lead{color:var(--dim)}
.dim,figcaption{color:var(--dim);font-weight:400}
nav{position:sticky;top:0;z-index:2;background:color-mix(in srgb,var(--paper) 88%,transparent);
backdrop-filter:blur(10px);border-bottom:1px solid var(--line);margin-top:1.2rem}
nav div{max-width:1240px;margin:0 auto;padding:10px 28px;display:flex;gap:4px 18px;flex-wrap:wrap;align-items:baseline;
font-size:.88rem}
a{color:var(--link);text-decoration:none}a:hover{text-decoration:underline}
nav label{margin-left:auto;cursor:pointer;user-select:none;color:var(--dim)}
section{padding:44px 0 30px;border-bottom:1px solid var(--line)}
figure{margin:0}
figcaption{font-size:.8rem;line-height:1.4;padding:7px 2px 0;font-variant-numeric:tabular-nums}
.said{margin:.1rem 0 0;color:var(--ink)}
.cards{display:flex;flex-wrap:wrap;gap:20px 16px;align-items:flex-start}
.cards figure{flex:var(--r) 1 calc(var(--r)*235px);max-width:calc(var(--r)*330px)}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(168px,1fr));gap:16px 14px;align-items:start}
.tiles img{width:100%;height:auto;display:block;border-radius:5px}
.tiles b{font-weight:600;color:var(--ink)}
.wide{grid-column:span 2}
.strip{position:relative;overflow:hidden;border-radius:8px;background:var(--line)}
.strip i{position:absolute;inset:0;background-size:calc(100%*var(--n)) 100%;
animation:run var(--s) steps(var(--n),jump-none) infinite}
.strip:hover i{animation-play-state:paused}
@keyframes run{from{background-position-x:0%}to{background-position-x:100%}}
@media (prefers-reduced-motion:reduce){.strip i{animation:none}}
:root:has(#truth:not(:checked)) .truth{display:none}
pre{margin:1.5rem 0 0;padding:10px 14px;background:var(--card);border:1px solid var(--line);border-radius:6px;
overflow-x:auto;font-size:.8rem}
code{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
p code{font-size:.88em}
.key{display:flex;gap:14px 30px;flex-wrap:wrap;align-items:center;font-size:.85rem;color:var(--dim);margin:1.2rem 0 0}
.key span{display:inline-flex;gap:7px;align-items:center}
.key i{width:18px;height:4px;border-radius:2px;display:inline-block}
.key img{width:34px;height:34px;border-radius:50%}
footer{padding:26px 28px 70px;color:var(--dim);font-size:.85rem}
"""


def _html(wanted: Wanted, sections: Sequence[str], wheel: str) -> str:
    links = "".join(f'<a href="#{_slug(name)}">{escape(_words(name))}</a>' for name in wanted.scenes)
    fingers = "".join(
        f'<span><i style="background:{colour}"></i>{name}</span>'
        for name, colour in zip(("thumb", "index", "middle", "ring", "little"), COLOURS[1:], strict=True)
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>palmar: the synthetic world</title><style>{STYLE}</style></head><body>
<header><h1>The synthetic world</h1>
<p>Every sort of scene that palmar makes, and every sensor that looks at it, with the exact truth drawn over the
pictures. A sample is a pure function of its seed and its number: the command under each section makes the same ones
again. Moving scenes run; rest on one to hold it.</p>
<div class="key">{fingers}<span>● seen &nbsp;○ hidden joint</span><span>L, R the person's own left and right</span>
<span><img src="{wheel}" alt="">flow</span></div></header>
<nav><div>{links}<label><input type="checkbox" id="truth" checked> truth</label></div></nav>
<main>{"".join(sections)}</main>
<footer>palmar {escape(palmar.__version__)}, seed {wanted.seed}. Made by <code>palmar synth gallery</code>. Apache-2.0.
</footer></body></html>
"""
