"""The settings of a fit, each with its reason."""
