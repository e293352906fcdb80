"""From published text to files of subwords: download, normalise, segment.  No torch, no fairseq."""
