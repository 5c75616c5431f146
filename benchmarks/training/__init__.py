"""What training gives and costs: methods, regularizers, monitors."""
