"""What stands between the network and the window: who may ask, for what, and how much."""
