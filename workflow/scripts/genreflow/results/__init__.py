"""What the predictions come to: figures of merit, tests, leaks, tables, figures, report."""
