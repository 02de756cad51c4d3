"""What is done to a file: one module an operation, and the one way of a file through each."""
