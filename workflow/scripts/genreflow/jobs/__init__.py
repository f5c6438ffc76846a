"""What scripts share, and what clusters say of their jobs."""
