"""What is heard: voice, music, and their mix."""
