"""What watches training and may warn, stop or roll back: one file each."""
