"""Small worked examples: the numbers and the formula as text, and the same steps as a picture."""
