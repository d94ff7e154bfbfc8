"""What a page shows of the jobs."""
