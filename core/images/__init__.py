"""Pictures with captions: import, quality checks, tagging, caption files. Knows nothing about training."""
