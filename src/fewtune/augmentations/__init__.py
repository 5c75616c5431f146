"""Variations of training rows: one file each."""
