"""From raw text to raw translations: a trained model and all it needs in a folder."""
