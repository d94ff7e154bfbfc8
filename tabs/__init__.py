"""The window: four tabs, a job panel that all of them share, and what keeps a shared link safe."""
