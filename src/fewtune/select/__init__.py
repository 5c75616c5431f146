"""Controls, trials, the dial and the verdict."""
