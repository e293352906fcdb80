"""The embedded corpus: a grammar and a lexicon of English, French and German.

A tree of abstract syntax is drawn at random, and each language turns it into its own sentence.
Run `python data/embedded/generate.py DEST` to write the files.
"""
