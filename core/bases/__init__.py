"""Base models: where they lie, what they are, and loading them."""
