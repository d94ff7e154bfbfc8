"""Texts in the creator's voice: import, cleaning, chat samples. Knows nothing about language models."""
