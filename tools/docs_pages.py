"""Pages of the documentation that the code knows best, made while MkDocs builds: a page for each method from its card,
its README and what its check found, and the licences from mesh to weights."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from mkdocs.structure.files import File, Files

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
    all_files.append(File.generated(config, "licences.md", content=licences()))
    return all_files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """MkDocs calls this with each page's text."""
    return markdown.replace(TABLE, methods_table()) if page.file.src_uri == "methods.md" else markdown


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
