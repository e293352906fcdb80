"""Checkpoints: read safely, written in shards, made one file, averaged."""
