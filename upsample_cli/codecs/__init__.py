"""Pixels to and from compressed bytes; what a file holds beside its pixels is not known here."""
