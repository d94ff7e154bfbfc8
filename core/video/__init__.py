"""From a topic to a short film: storyboard, narration, frames, voice, captions, motion, sound, render."""
