"""The training loop and what it stands on; knows neither pictures nor texts."""
