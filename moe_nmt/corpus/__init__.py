"""From published text to files of subwords.  No torch, no fairseq.

sources/ -> cleaning/ -> subwords/ -> binarised data; preparation/ does it all, stage by stage
"""
