"""Which text is kept, and in what form."""
