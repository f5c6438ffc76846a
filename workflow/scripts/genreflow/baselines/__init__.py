"""Systems of neither paper, which learn from a vector a clip: statistics, and own embeddings."""
