"""The parts that models are made of: convolution stages, encoder-decoder, scans, recurrent area, initialisation."""
