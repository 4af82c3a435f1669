"""Readers of real data sets, each in its native layout."""
