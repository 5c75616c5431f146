"""Planted faults: whether a run that has one names it, and a clean run none."""
