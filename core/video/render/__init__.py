"""From shots, captions and samples to one mp4: frames, pieces, encoding."""
