"""The two training tabs."""
