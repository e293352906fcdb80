"""How fairseq's commands start and train where experts live on several workers."""
