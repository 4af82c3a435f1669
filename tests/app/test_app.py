"""The page, end to end in a browser: upload, wait, look, take away; damaged uploads; other visitors; other hosts."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path

import pyarrow.parquet as pq
import pytest

pytest.importorskip("gradio")
playwright = pytest.importorskip("playwright.sync_api")

BROWSER = next((p for n in ("chromium", "google-chrome", "chromium-browser") if (p := shutil.which(n))), None)
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on the PATH to open the page with")


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A server of its own process, on a free port of this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("app") / "log.txt"
    # The suite's network is closed; a server looks at itself over the loopback as it starts, and so may this one.
    paths = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if Path(part).name != "closed"]
    with log.open("wb") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", "palmar", "app", "--no-open", "--port", str(port), "--max-megabytes", "20"],
            stdout=out, stderr=out, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )  # fmt: skip
        try:
            until = time.monotonic() + 120
            while b"http://" not in log.read_bytes():
                assert server.poll() is None, log.read_text()
                assert time.monotonic() < until, log.read_text()
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(30)


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as play:
        found = play.chromium.launch(executable_path=BROWSER, args=FLAGS.split())
        yield found
        found.close()


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """Twelve frames of the clip in the package."""
    from palmar.media import VideoWriter, read

    clip = read(str(files("palmar") / "demo" / "demo.mp4"))
    path = tmp_path_factory.mktemp("clip") / "short.mp4"
    with VideoWriter(path, 25.0) as writer:
        for frame in clip.frames:
            if frame.index == 12:
                break
            writer.add(frame.image)
    return path


def test_a_recording_becomes_hands_to_look_at_and_to_take_away(address, browser, short, tmp_path):
    context = browser.new_context()
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.wait_for_selector(".pl-zone", timeout=60_000)
    page.set_input_files("input[type=file]", str(short))
    page.wait_for_selector(".pl-chosen:not([hidden])", timeout=30_000)
    page.click(".pl-go")
    page.wait_for_selector(".pl-result", timeout=120_000)
    assert "100 % of 12 frames" in page.inner_text(".pl-facts").replace("\xa0", " ")
    assert page.locator(".pl-scene").count() >= 1
    link = page.get_attribute(".pl-get a[data-kind=parquet]", "href")
    with page.expect_download() as waiting:
        page.click(".pl-get a[data-kind=parquet]")
    waiting.value.save_as(tmp_path / "hands.parquet")
    assert pq.read_table(tmp_path / "hands.parquet").num_rows == 12

    mine, other = context.request.get(address + link), browser.new_context().request.get(address + link)
    assert mine.status == 200
    assert other.status in (403, 404)                                       # another visitor cannot have it
    for path in ("/palmar/file/../../etc/passwd", "/file=/etc/passwd", "/gradio_api/file=/etc/passwd"):
        answer = context.request.get(address + path)
        assert answer.status >= 400 or b"root:" not in answer.body()
    hosts = {url.split("/")[2] for url in asked if url.startswith("http")}
    assert hosts == {address.removeprefix("http://")}                       # nothing leaves this machine


@pytest.mark.parametrize(
    ("name", "size", "said"), [("broken.mp4", 4_000, "damaged"), ("large.mp4", 21_000_000, "20 MB")]
)
def test_what_cannot_be_taken_is_said_in_words(address, browser, tmp_path, name, size, said):
    (tmp_path / name).write_bytes(b"junk" * (size // 4))
    page = browser.new_context().new_page()
    page.goto(address)
    page.wait_for_selector(".pl-zone", timeout=60_000)
    page.set_input_files("input[type=file]", str(tmp_path / name))
    page.wait_for_timeout(1500)
    page.click(".pl-go")
    page.wait_for_timeout(3000)
    assert said in page.inner_text("body")
    assert page.locator(".pl-result").count() == 0
