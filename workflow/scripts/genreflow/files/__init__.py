"""What is on disk: a module for each format of docs/format.md."""
