"""With and without a LoRA, scored, and which one to use."""
