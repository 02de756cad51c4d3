"""Pool, unpool and transposed convolution of files."""
