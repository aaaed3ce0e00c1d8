"""jaxcnn: train, compare and reproduce convolutional networks on JAX and Flax."""
