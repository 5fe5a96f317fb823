"""What is trained, in torch: the encoder, its heads, and the model that joins them."""
