"""Training: batches in order, schedule, the loop, validation, and the run that ends in a bundle."""
