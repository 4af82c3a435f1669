"""`palmar doctor`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Doctor:
    """Say what this installation can do and what is wrong with it: versions, extras, codecs, weights, devices.

    Copy what it prints into a bug report. The exit code is 1 where something that palmar needs is broken.
    """

    json: bool = False
    """Print JSON."""

    def run(self) -> int:
        from palmar.doctor import examine, private, told

        found = examine()
        print(private(json.dumps([asdict(f) for f in found], indent=1)) if self.json else told(found))
        return 1 if any(f.state == "broken" for f in found) else 0
