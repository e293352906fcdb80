"""The fairseq models and their named architectures."""
