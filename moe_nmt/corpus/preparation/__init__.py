"""The stages from archives, or one's own text, to binarised data."""
