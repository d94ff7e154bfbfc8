"""What every tab stands on: words, wiring, widgets, looks."""
