"""Documents, pages and transcripts to examples: one file each."""
