"""Engines that speak: what one has to be, and a module for each; `audio.voice` chooses among them."""
