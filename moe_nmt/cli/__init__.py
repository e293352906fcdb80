"""The commands: argparse only; what they do stands in the other packages."""
