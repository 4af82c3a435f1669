"""palmar: any recording of hands into clean, typed, four-dimensional hand data."""

__version__ = "0.1.0"
