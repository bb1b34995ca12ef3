"""What is chosen after training, on rows that the model has not seen."""
