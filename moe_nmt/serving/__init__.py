"""A small server: translations over HTTP, and a page to try them."""
