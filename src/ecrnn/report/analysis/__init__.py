"""What is computed from the files of a study or the outputs of a model: numbers and the finding in a sentence."""
