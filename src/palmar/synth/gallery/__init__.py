"""A page on which the synthetic world can be looked at."""
