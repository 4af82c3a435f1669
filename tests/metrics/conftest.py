"""Hypothesis without a deadline: a busy machine is not a wrong answer."""

from hypothesis import settings

settings.register_profile("palmar", deadline=None, max_examples=50)
settings.load_profile("palmar")
