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

FPHA_OBJECTS: Mapping[str, int] = {
    "juice bottle": 1, "juice bottle cap": 1, "peanut butter": 2, "peanut butter lid": 2, "fork": 3, "spoon": 4,
    "milk": 5, "milk cap": 5, "mug": 6, "tea bag": 7, "salt": 8, "liquid soap": 9, "liquid soap cap": 9, "sponge": 10,
    "soda can": 11, "spray bottle": 12, "pen": 13, "paper": 14, "letter": 15, "envelope": 15, "book": 16,
    "calculator": 17, "match": 18, "cell charger": 19, "glasses": 20, "wallet": 21, "wine bottle": 24,
    "wine glass": 25,
}  # fmt: skip
"""FPHA's number of a noun of the world. Coins (22), cards (23) and hands (26) go to a second person: there are none."""

FPHA_ACTIONS: tuple[str, ...] = (
    "open juice bottle", "close juice bottle", "pour juice bottle", "open peanut butter", "close peanut butter",
    "prick", "sprinkle", "scoop spoon", "put sugar", "stir", "open milk", "close milk", "pour milk", "drink mug",
    "put tea bag", "put salt", "open liquid soap", "close liquid soap", "pour liquid soap", "wash sponge",
    "flip sponge", "scratch sponge", "squeeze sponge", "open soda can", "use flash", "write", "tear paper",
    "squeeze paper", "open letter", "take letter from enveloppe", "read letter", "flip pages", "use calculator",
    "light candle", "charge cell phone", "unfold glasses", "clean glasses", "open wallet", "pour wine", "toast wine",
)  # fmt: skip
"""Classes of the world in the order of FPHA's labels: 40 of its 45, without the five in which a second person has a
part (give coin, receive coin, give card, handshake, high five)."""
