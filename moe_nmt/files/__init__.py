"""What corpus, evaluation and training share: files, processes, progress, stages.  No torch."""
