"""The parts of the page of experts: text, style and program."""
