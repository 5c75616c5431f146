"""Diagnoses: what is wrong with a run, by name, with the evidence and the cure."""
