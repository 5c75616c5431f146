"""Run folders to pages; no torch is needed to read a run."""
