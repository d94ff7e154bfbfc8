"""What is seen: frames, captions, motion, cover."""
