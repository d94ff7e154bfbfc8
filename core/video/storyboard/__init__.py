"""The storyboard: what a film is made from, as plain data, as a file, and how it is changed."""
