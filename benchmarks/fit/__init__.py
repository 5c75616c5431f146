"""The main job from the command line, on real data."""
