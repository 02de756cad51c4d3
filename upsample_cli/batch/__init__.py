"""A folder: files → tasks → worker processes or a cluster, and what became of each file."""
