"""The documentation builds without a warning, knows every method, and asks no other host for anything."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mkdocs")
pytest.importorskip("material")
pytest.importorskip("mkdocstrings")

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(folder)],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_page_is_there(site):
    from palmar.methods import methods

    pages = {path.parent.relative_to(site).as_posix() for path in site.rglob("index.html")}
    written = {path.relative_to(ROOT / "docs").with_suffix("").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert {"." if page == "index" else page for page in written} <= pages
    assert {f"methods/{name}" for name in methods()} <= pages
    assert "licences" in pages


def test_the_reference_shows_docstrings(site):
    text = (site / "reference" / "clean" / "index.html").read_text(encoding="utf-8")
    assert "reject_outliers" in text
    assert "which a row is judged" in text or "by whose line a row is judged" in text


def test_pages_ask_no_other_host(site):
    for path in site.rglob("*.html"):
        if "gallery" in path.parts:
            continue
        text = path.read_text(encoding="utf-8")
        loaded = re.findall(r'<(?:script|img|iframe|link)[^>]*(?:src|href)="(https?:[^"]*)"', text)
        assert [url for url in loaded if "canonical" not in url] == [], path
