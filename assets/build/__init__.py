"""The scripts that made what stands in assets: art, scenes, styles, models; each re-runnable."""
