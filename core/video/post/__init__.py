"""What a finished film is posted with, and what should be mended before it is posted."""
