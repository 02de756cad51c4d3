"""Images: one row a format, reading, writing, what they carry, and the PNG codec."""
