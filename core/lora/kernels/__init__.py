"""Faster forms of single operations, each equal to its reference."""
