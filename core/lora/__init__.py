"""LoRA training: one loop, a recipe for pictures and one for texts, file formats."""
