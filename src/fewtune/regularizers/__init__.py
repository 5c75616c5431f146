"""What is changed in training to protect the base: one file each."""
