"""The tab of pictures."""
