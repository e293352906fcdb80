"""How good translations are: BLEU, chrF, perplexity, significance.  No torch, no fairseq."""
