"""Tests of the data: one file each."""
