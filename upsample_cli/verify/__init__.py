"""Whether two volumes agree: where they are, what their headers say, what they hold."""
