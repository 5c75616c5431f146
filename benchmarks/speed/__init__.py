"""Speed: what each measure of haste is worth, in seconds."""
