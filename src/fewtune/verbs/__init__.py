"""The verbs of the command line and of Python: what a user asks for, done by the rooms below."""
