"""Run the notebooks of `examples/` and store them with what they showed, small.

    python tools/run_notebooks.py                     # all, or the names given
    python tools/run_notebooks.py examples/gesture.ipynb

Each runs from top to bottom in an empty folder. Plots are stored in 256 colours, photographs as JPEG; what differs from
run to run (cell numbers, times, messages on stderr) is left out. The tests run them too, the documentation's pages are
made of them.
"""

from __future__ import annotations

import base64
import io
import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from traitlets.config import Config

EXAMPLES = Path(__file__).parents[1] / "examples"
TIMEOUT_S = 300
"""Of a cell."""


def execute(path: Path, folder: Path, then: str = "") -> NotebookNode:
    """The notebook with its outputs, run in `folder`. Raises nbclient's CellExecutionError for a cell that fails.

    then: code that is run after it, and not kept.
    """
    notebook = nbformat.read(path, as_version=4)
    if then:
        notebook.cells.append(nbformat.v4.new_code_cell(then))
    with tempfile.TemporaryDirectory() as place:
        # files of this machine to talk to the kernel, not ports, where there are such
        talk = {"transport": "ipc" if os.name == "posix" else "tcp", "connection_file": str(Path(place) / "k.json")}
        client = NotebookClient(
            notebook,
            timeout=TIMEOUT_S,
            kernel_name="python3",
            resources={"metadata": {"path": str(folder)}},
            config=Config({"KernelManager": talk}),
        )
        client.execute()
    if then:
        notebook.cells.pop()
    return notebook


def slim(notebook: NotebookNode) -> NotebookNode:
    """The same with small outputs, and nothing in it that another run would have otherwise."""
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "language_info": {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"},
        }
    )
    for number, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"cell-{number:02d}", nbformat.from_dict({})
        if cell.cell_type != "code":
            continue
        cell.execution_count = None
        kept = [out for out in cell.outputs if out.get("name") != "stderr"]
        for out in kept:
            if "execution_count" in out:
                out.execution_count = None
            if "data" in out:
                shown = {kind: value for kind, value in out.data.items() if kind != "text/plain" or len(out.data) == 1}
                if "image/png" in shown:
                    kind, data = _small(base64.b64decode(shown.pop("image/png")))
                    shown[kind] = base64.b64encode(data).decode()
                out.data, out.metadata = nbformat.from_dict(shown), nbformat.from_dict({})
        cell.outputs = kept
    return notebook


def _small(png: bytes) -> tuple[str, bytes]:
    """(media type, file) of a picture: the smaller of the two."""
    from PIL import Image

    image, plot, photograph = Image.open(io.BytesIO(png)), io.BytesIO(), io.BytesIO()
    if image.mode == "P":  # small already
        return "image/png", png
    image = image.convert("RGB")
    image.quantize(256, dither=Image.Dither.NONE).save(plot, "PNG", optimize=True)
    image.save(photograph, "JPEG", quality=76, optimize=True)
    files = {"image/png": plot.getvalue(), "image/jpeg": photograph.getvalue()}
    kind = min(files, key=lambda kind: len(files[kind]))
    return kind, files[kind]


def main(paths: list[Path]) -> None:
    for path in paths or sorted(EXAMPLES.glob("*.ipynb")):
        with tempfile.TemporaryDirectory() as folder:
            notebook = slim(execute(path, Path(folder)))
        nbformat.write(notebook, path)
        print(f"{path.name}: {len(notebook.cells)} cells, {path.stat().st_size // 1024} KiB", file=sys.stderr)


if __name__ == "__main__":
    main([Path(word) for word in sys.argv[1:]])
