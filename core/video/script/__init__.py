"""What is said and shown: topic, storyboard, narration."""
