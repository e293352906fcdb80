"""The project's commands: they read options and call the library."""
