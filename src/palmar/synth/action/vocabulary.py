"""What published data sets of first-person hands call the things and actions of this world.

H2O (Kwon et al. 2021) has 8 objects and 36 actions; FPHA (Garcia-Hernando et al. 2018) 26 objects and 45 actions.
"""

from __future__ import annotations

from collections.abc import Mapping

H2O_OBJECTS: Mapping[str, int] = {
    "book": 1, "espresso": 2, "lotion": 3, "lotion cap": 3, "spray": 4, "milk": 5, "milk cap": 5, "cocoa": 6,
    "chips": 7, "chips lid": 7, "cappuccino": 8,
}  # fmt: skip
"""H2O's number of a noun of the world; a cap or lid counts as what it belongs to."""

_THINGS = ("book", "espresso", "lotion", "spray", "milk", "cocoa", "chips", "cappuccino")
H2O_ACTIONS: tuple[str, ...] = (
    *(f"grab {noun}" for noun in _THINGS),
    *(f"place {noun}" for noun in _THINGS),
    "open lotion", "open milk", "open chips",
    "close lotion", "close milk", "close chips",
    "pour milk",
    "take out espresso", "take out cocoa", "take out chips", "take out cappuccino",
    "put in espresso", "put in cocoa", "put in cappuccino",
    "apply lotion", "apply spray",
    "read book", "read espresso",
    "spray spray",
    "squeeze lotion",
)  # fmt: skip
"""Classes of the world in the order of H2O's labels 1 to 36."""
