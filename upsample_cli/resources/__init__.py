"""What the machine has, and how it is shared: memory, control groups, threads, pieces, scratch."""
