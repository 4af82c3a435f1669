"""`palmar licenses`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from palmar.cli.talk import say


@dataclass(frozen=True)
class Licenses:
    """Print every link of the chain, from the hand's mesh to the weights, with its licence (SPDX).

    The exit code is 1 when a licence is not on the list of those that allow use in products.
    """

    json: bool = False
    """As JSON instead of a table."""
    weights: Annotated[Path | None, arg(metavar="DIR")] = None
    """The cards of this folder, instead of the package's."""

    def run(self) -> int:
        from palmar.licenses import chain, refused, table

        links = chain(self.weights)
        bad = refused(links)
        if self.json:
            print(json.dumps([asdict(link) | {"allowed": link not in bad} for link in links], indent=1))
        else:
            print(table(links))
        for link in bad:
            say("refused", f"{link.kind} {link.name} {link.version}: {link.licence}")
        return 1 if bad else 0
