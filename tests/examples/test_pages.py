"""The documentation's pages of the notebooks, and of those who come from other programs."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pytest

pytest.importorskip("mkdocs")

ROOT = Path(__file__).parents[2]
EXAMPLES = {path.stem: path for path in sorted((ROOT / "examples").glob("*.ipynb"))}
LINK = re.compile(r"\]\(([^)#\s]+)")


@pytest.fixture(scope="module")
def hook():
    spec = importlib.util.spec_from_file_location("docs_pages", ROOT / "tools" / "docs_pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_page_has_all_of_its_notebook(hook, name):
    made = dict(hook.tutorial(EXAMPLES[name]))
    page = made.pop(f"{name}.md")
    cells = json.loads(EXAMPLES[name].read_text(encoding="utf-8"))["cells"]
    for cell in cells:
        if cell["cell_type"] == "code":
            assert f"```python\n{''.join(cell['source'])}\n```" in page
    shown = [out for cell in cells for out in cell.get("outputs", []) if any("image" in k for k in out.get("data", {}))]
    pictures = [file for file in made if file.endswith((".png", ".jpg"))]
    assert len(pictures) == len(shown) > 0
    heads = {".png": b"\x89PNG", ".jpg": b"\xff\xd8\xff"}
    assert all(made[file].startswith(heads[Path(file).suffix]) for file in pictures)
    assert made[f"{name}.ipynb"] == EXAMPLES[name].read_text(encoding="utf-8")


@pytest.mark.parametrize("name", EXAMPLES)
def test_links_of_notebooks_lead_somewhere(hook, name):
    """From the notebook in a copy of the repository, and from its page on the site."""
    cells = json.loads(EXAMPLES[name].read_text(encoding="utf-8"))["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    for link in LINK.findall(text):
        assert link.startswith("https://") or (EXAMPLES[name].parent / link).is_file(), link
    made = dict(hook.tutorial(EXAMPLES[name]))
    others = {f"{other}.md" for other in EXAMPLES}
    for link in LINK.findall(made[f"{name}.md"]):
        here = link in made or link in others or (ROOT / "docs" / "x" / link).resolve().is_file()
        assert here or link.startswith("https://"), link
