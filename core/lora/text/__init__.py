"""What makes the loop train a text LoRA."""
