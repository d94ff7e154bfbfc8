"""The tab that makes videos."""
