"""From files to features, and what normalises and compares them."""
