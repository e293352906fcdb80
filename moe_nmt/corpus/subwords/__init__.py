"""Words into subwords and back."""
