"""Measuring on recordings of real hands: `palmar.bench.real.measure` and `render`."""
