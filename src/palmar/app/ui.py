"""The page: what Gradio draws, and what happens when its buttons are pressed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from html import escape
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import gradio as gr

from palmar.app.gate import VISITOR
from palmar.app.jobs import Desk, Job
from palmar.app.limits import Limits
from palmar.app.rooms import Rooms
from palmar.app.work import RESULT, Choices, Found, downloads, work
from palmar.errors import PalmarError

DEMO = "demo"
"""Token of the clip that comes with the package."""
TICK_S = 0.12
"""Between two looks at a job."""
HEAD = (
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    '<meta name="color-scheme" content="dark"><link rel="icon" href="/palmar/page/icon.svg">'
    '<link rel="stylesheet" href="/palmar/page/palmar.css"><script src="/palmar/page/palmar.js"></script>'
)
SYSTEM = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
TOP = """
<header class="pl-top"><img src="/palmar/page/icon.svg" alt="" width="30" height="30">
<h1>palmar</h1><p>Hands out of any recording, in 3D. Nothing leaves this machine.</p></header>
"""
DROP = """
<div id="pl-drop" data-megabytes="{megabytes:g}" data-seconds="{seconds:g}">
 <label class="pl-zone" tabindex="0"><input type="file" accept="video/*,image/*">
  <span class="pl-plus" aria-hidden="true"></span><b>Drop a video or a picture</b>
  <small>or click to choose &middot; up to {megabytes:g} MB, {seconds:g} s</small></label>
 <div class="pl-chosen" hidden></div>
 <p class="pl-said" role="alert" hidden></p>
 <div class="pl-ways"><button type="button" class="pl-cam">Use the webcam</button>
 <button type="button" class="pl-demo">Try the demo</button></div>
</div>
"""
EMPTY = """
<section class="pl-empty"><div class="pl-scene" data-src="/palmar/page/greeting.bin" data-loop="1"></div>
<div><h2>Show it hands</h2><p>You get every joint in the picture and in space, a mesh to turn around, and files for
Blender, notebooks and robots.</p></div></section>
"""


def page(rooms: Rooms, desk: Desk, limits: Limits, *, weights: Path | None = None) -> gr.Blocks:
    """The page, not yet served."""
    with gr.Blocks(title="palmar", analytics_enabled=False, fill_width=True) as blocks:
        gr.HTML(TOP)
        with gr.Row(elem_classes="pl-columns"):
            with gr.Column(scale=0, min_width=340, elem_classes="pl-side"):
                gr.HTML(DROP.format(megabytes=limits.megabytes, seconds=limits.seconds))
                token = gr.Textbox(visible="hidden")
                show = gr.CheckboxGroup(
                    [("Skeleton", "skeleton"), ("Mesh", "mesh"), ("Boxes", "boxes"), ("Labels", "labels")],
                    value=["skeleton", "mesh", "labels"],
                    label="Show",
                    elem_classes="pl-show",
                )
                hands = gr.Slider(1, 4, value=2, step=1, label="Hands at most", elem_classes="pl-hands", buttons=[])
                fov = gr.Textbox(
                    "",
                    label="Field of view, degrees from left to right",
                    placeholder="not known",
                    elem_classes="pl-fov",
                )
                mirrored = gr.Checkbox(False, label="Mirrored (selfie view)", elem_classes="pl-mirrored")
                go = gr.Button("Find the hands", variant="primary", elem_classes="pl-go")
            with gr.Column(scale=1, min_width=320, elem_classes="pl-main"):
                status = gr.HTML("", elem_classes="pl-status")
                cancel = gr.Button("Cancel", visible=False, elem_classes="pl-cancel", size="sm")
                result = gr.HTML(EMPTY)

        def run(
            chosen: str, shown: list[str], most: float, angle: str, flip: bool, request: gr.Request
        ) -> Iterator[tuple[Any, ...]]:
            visitor = request.headers[VISITOR.decode()]
            working, idle = gr.update(visible=True), gr.update(visible=False)
            button = gr.update(interactive=True)
            try:
                choices = Choices(tuple(shown or ()), bool(flip), degrees(angle), int(most))
                job, stack = begin(rooms, desk, limits, visitor, chosen or "", choices, weights)
            except PalmarError as err:
                yield trouble(str(err)), gr.update(), idle, button
                return
            with stack:
                yield waiting(0), gr.update(), working, gr.update(interactive=False)
                before = ""
                while not job.over:
                    now = waiting(desk.ahead(job)) if job.state == "waiting" else bar(job)
                    if now != before:
                        yield now, gr.update(), gr.update(), gr.update()
                    before = now
                    time.sleep(TICK_S)
            if job.state == "done":
                yield "", told(job.result, rooms.find(visitor, job.result.token)), idle, button
            elif job.state == "cancelled":
                yield note("Cancelled. Nothing was kept."), gr.update(), idle, button
            else:
                yield trouble(job.message), gr.update(), idle, button

        def stop(request: gr.Request) -> None:
            desk.cancel(request.headers[VISITOR.decode()])

        go.click(
            run,
            [token, show, hands, fov, mirrored],
            [status, result, cancel, go],
            js="async (t, ...rest) => [await window.palmar.token(), ...rest]",
            show_progress="hidden",
            concurrency_limit=desk.waiting + 8,
            api_visibility="private",
        )
        cancel.click(stop, None, None, show_progress="hidden", concurrency_limit=8, api_visibility="private")
    blocks.queue(max_size=4 * desk.waiting, default_concurrency_limit=8)
    return blocks


def degrees(text: str | None) -> float | None:
    """What was typed as a field of view. Raises PalmarError for what is no number."""
    typed = (text or "").strip().removesuffix("°").replace(",", ".")
    if not typed:
        return None
    try:
        return float(typed)
    except ValueError as err:
        raise PalmarError(
            f"field of view: a number of degrees, or nothing where it is not known; got {typed!r}."
        ) from err


def begin(
    rooms: Rooms, desk: Desk, limits: Limits, visitor: str, chosen: str, choices: Choices, weights: Path | None
) -> tuple[Job, ExitStack]:
    """Queues the work on an upload of this visitor, or on the demo. Close the stack when it is over."""
    stack = ExitStack()
    if chosen == DEMO:
        source = stack.enter_context(as_file(files("palmar") / "demo" / "demo.mp4"))
    else:
        if not chosen:
            raise PalmarError("Drop a video or a picture first, or try the demo.")
        upload = rooms.find(visitor, chosen)
        source = next((path for path in upload.iterdir() if path.is_file()), None)
        if source is None or (upload / RESULT).exists():
            raise PalmarError("This recording is no longer here; drop it again.")
    token, folder = rooms.box(visitor)

    def do(job: Job) -> Found:
        return work(job, source, token, folder, choices, limits, weights=weights)

    return desk.put(visitor, do), stack


def waiting(ahead: int) -> str:
    """While others are in front."""
    said = {0: "Starting", 1: "One recording before yours"}.get(ahead, f"{ahead} recordings before yours")
    return f'<div class="pl-work" role="status"><b>{said}</b><i class="pl-bar pl-unsure"><i></i></i></div>'


def bar(job: Job) -> str:
    """How far the work is, frame by frame."""
    if not job.total:
        count, share, kind = ("" if not job.done else f"{job.done} frames"), 1.0, "pl-bar pl-unsure"
    else:
        share, kind = min(job.done / job.total, 1.0), "pl-bar"
        rate = job.done / max(time.monotonic() - job.begun_s, 1e-6)
        left = f" &middot; {max(1, round((job.total - job.done) / rate))} s left" if 0 < job.done < job.total else ""
        count = f"frame {job.done} of {job.total}{left}"
    return (
        f'<div class="pl-work" role="status"><b>{escape(job.step or "Starting")}</b><span>{count}</span>'
        f'<i class="{kind}"><i style="width:{100 * share:.1f}%"></i></i></div>'
    )


def trouble(message: str) -> str:
    text = message[:1].upper() + message[1:]
    return f'<div class="pl-trouble" role="alert"><b>That did not work</b><span>{escape(text)}</span></div>'


def note(message: str) -> str:
    return f'<div class="pl-note" role="status">{escape(message)}</div>'


def told(found: Found, folder: Path) -> str:
    """The result: overlay and hand in space side by side, what was assumed, everything to take away."""
    at = f"/palmar/file/{found.token}"
    if found.video.endswith(".mp4"):
        seen = f'<video class="pl-video" src="{at}/show" controls loop muted autoplay playsinline></video>'
    else:
        seen = f'<img class="pl-video" src="{at}/show" alt="The picture with the hands drawn on it">'
    if not found.seen:
        said = "No hand was found. It helps when hands are larger than a tenth of the picture, lit, and not blurred."
        space = '<div class="pl-none">No hand to show</div>'
    else:
        hands = f"{found.hands} hand{'s' * (found.hands != 1)}"
        share = f"seen in {100 * found.seen / max(found.frames, 1):.0f} % of {found.frames} frames"
        said = hands if found.frames == 1 else f"{hands} &middot; {share}"
        if found.seconds:
            said += f" &middot; {found.seconds:.1f} s"
        space = f'<div class="pl-scene" data-src="{at}/scene"></div>'
    facts = "".join(f"<dt>{escape(title)}</dt><dd>{escape(text)}</dd>" for title, text in found.notes)
    return (
        f'<section class="pl-result"><h2>{escape(found.name)}</h2><p class="pl-facts">{said}</p>'
        f'<div class="pl-pair"><figure>{seen}</figure><figure>{space}</figure></div>'
        f'<div class="pl-below"><div><h3>Take it with you</h3><ul class="pl-get">{_downloads(at, folder)}</ul></div>'
        f'<div><h3>What was assumed</h3><dl class="pl-assumed">{facts}</dl></div></div></section>'
    )


def _downloads(at: str, folder: Path) -> str:
    rows = []
    for one in downloads(folder / RESULT):
        title, about = escape(one.title), escape(one.about)
        if one.missing:
            rows.append(f'<li class="pl-lacking"><b>{title}</b><small>{about}: {escape(one.missing)}</small></li>')
        else:
            rows.append(
                f'<li><a href="{at}/get/{one.key}" data-kind="{one.key}" download><b>{title}</b>'
                f"<small>{about}</small></a></li>"
            )
    return "".join(rows)
