"""Hands that do things: sequences of labelled actions of one person at a table, exact at every time."""

from palmar.synth.action.faults import Faults, look
from palmar.synth.action.script import Script, State
from palmar.synth.action.sequence import ACTIONS, Action, action_names, compose
from palmar.synth.action.stage import Done

__all__ = ["ACTIONS", "Action", "Done", "Faults", "Script", "State", "action_names", "compose", "look"]
