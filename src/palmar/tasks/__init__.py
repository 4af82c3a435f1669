"""What a task takes, gives and is scored by; and the card that every published method has."""

from palmar.tasks.method import Method, Network, Report

__all__ = ["Method", "Network", "Report"]
