"""One file for each kind of file that is read, and one for each way in which rows are made."""
