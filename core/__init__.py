"""Everything that works: pictures, texts, LoRAs and videos. Knows nothing about the window."""
