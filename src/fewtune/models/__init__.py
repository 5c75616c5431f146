"""Models from the hub, from folders, built in, or made from a configuration."""
