"""What is run, on ONNX Runtime: the graph of a bundle, its engine, and predictors. No torch here."""
