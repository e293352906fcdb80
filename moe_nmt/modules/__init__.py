"""Building blocks of the recurrent models, in plain torch: LSTM layers, attention, stacks, loss."""
