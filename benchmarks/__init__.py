"""Figures of the documents, each from one command: ``python -m benchmarks.ROOM.NAME``."""
