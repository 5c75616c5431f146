"""Numbers about a model on data: one file each."""
