"""The training loop and what it reports, keeps and averages."""
