"""From raw sentences to raw translations: folders that hold a trained model with all it needs."""
