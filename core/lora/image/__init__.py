"""What makes the loop train an image LoRA."""
