"""The training criterion."""
