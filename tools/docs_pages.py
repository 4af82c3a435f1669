"""Pages of the documentation that the code knows best, made while MkDocs builds: a page for each method from its card,
its README and what its check found, a page for each notebook with what it shows, and the licences from mesh to
weights."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

EXAMPLES = Path(__file__).parents[1] / "examples"
PICTURES = {"image/png": "png", "image/jpeg": "jpg"}
TABLE = "<!-- the table of all methods is put here when the site is built -->"


def on_files(all_files: Files, config: Any) -> Files:
    """MkDocs calls this with the files it found."""
    from palmar.methods import methods

    for name, card in methods().items():
        place = files("palmar") / "methods" / name
        text = (place / "README.md").read_text(encoding="utf-8")
        about = f"\n*{card.paper}*\n\nWeights: {card.weights}. Licence: {card.licence}.\n\n"
        title, _, rest = text.partition("\n")
        all_files.append(File.generated(config, f"methods/{name}.md", content=f"{title}\n{about}{rest}"))
    for notebook in sorted(EXAMPLES.glob("*.ipynb")):
        for name, content in tutorial(notebook):
            all_files.append(File.generated(config, f"tutorials/{name}", content=content))
    all_files.append(File.generated(config, "licences.md", content=licences()))
    return all_files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """MkDocs calls this with each page's text."""
    if "/" not in page.file.src_uri:
        markdown = within_the_site(markdown)
    return markdown.replace(TABLE, methods_table()) if page.file.src_uri == "methods.md" else markdown


def tutorial(notebook: Path) -> Iterator[tuple[str, str | bytes]]:
    """(name, content) of the files of a notebook's page: the pictures it shows, the notebook, the page itself."""
    name, text = notebook.stem, notebook.read_text(encoding="utf-8")
    page: list[str] = []
    for number, cell in enumerate(json.loads(text)["cells"]):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            page.append(as_page(source))
            if not number:
                page.append(f"*This page is a notebook: [{notebook.name}]({notebook.name}).*")
            continue
        page.append(f"```python\n{source}\n```")
        for k, out in enumerate(cell["outputs"]):
            data = out.get("data", {})
            said = "".join(out.get("text", data.get("text/plain", ""))).strip("\n")
            if said:
                page.append(f"```text\n{said}\n```")
            for kind, ending in PICTURES.items():
                if kind in data:
                    picture = f"{name}-{number:02d}-{k}.{ending}"
                    yield picture, base64.b64decode("".join(data[kind]))
                    page.append(f"![what this cell shows]({picture})")
    yield notebook.name, text
    yield f"{name}.md", "\n\n".join(page) + "\n"


def within_the_site(markdown: str) -> str:
    """Text of a page of docs/ whose links lead, in a copy of the repository, to what has a page of its own here."""
    markdown = re.sub(r"\]\(\.\./examples/(\w+)\.ipynb\)", r"](tutorials/\1.md)", markdown)
    return re.sub(r"\]\(\.\./src/palmar/methods/(\w+)/README\.md\)", r"](methods/\1.md)", markdown)


def as_page(markdown: str) -> str:
    """Text of a notebook, its links as they are between pages."""
    return re.sub(r"\]\((\w+)\.ipynb\)", r"](\1.md)", markdown.replace("](../docs/", "](../"))


def methods_table() -> str:
    """All methods, with their tasks and what their checks found."""
    from palmar.methods import methods

    rows = ["| method | task | check |", "|---|---|---|"]
    for name, card in methods().items():
        record = files("palmar") / "methods" / name / "check.json"
        found = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else None
        said = "owed" if found is None else "passed" if found.get("passed") else "failed, see its page"
        rows.append(f"| [{card.title}](methods/{name}.md) | {card.task} | {said} |")
    return "\n".join(rows)


def licences() -> str:
    """Every link of the chain, as `palmar licenses` prints it."""
    from palmar.licenses import chain, refused

    links = chain()
    bad = refused(links)
    rows = [
        "# Licences, from mesh to weights", "",
        "Every link of the default chain: the hand's mesh, what weights were trained on, code. "
        + ("None forbids use in a product." if not bad else f"**{len(bad)} are not on the list of those that may.**"),
        "", "| kind | link | version | licence | source |", "|---|---|---|---|---|",
    ]  # fmt: skip
    cell = lambda text: str(text).replace("|", "\\|").replace("\n", " ")  # noqa: E731
    rows += [
        f"| {cell(k.kind)} | {cell(k.name)} | {cell(k.version)} | {cell(k.licence)} | {cell(k.source)} |" for k in links
    ]
    return "\n".join(rows) + "\n"
