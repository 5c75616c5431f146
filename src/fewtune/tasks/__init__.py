"""How an example becomes tensors, a loss, a prediction and a headline measure: one file each."""
