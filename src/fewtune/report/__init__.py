"""Run folders to pages; no torch is needed to read a run."""

from __future__ import annotations
