"""LoRA numbers and files: layers, file formats, merging, versions. Trains nothing."""
