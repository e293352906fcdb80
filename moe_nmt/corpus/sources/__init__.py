"""Where text comes from: published archives, test sets, a user's own files."""
