"""Observations that need a model: what base and tuned do on the same rows, one file a kind."""
