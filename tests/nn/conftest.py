"""What the tests of the networks share."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def quick(one_thread):
    """All tests here."""
