"""Makes the built-in base model: corpora in, a small English language model out."""
