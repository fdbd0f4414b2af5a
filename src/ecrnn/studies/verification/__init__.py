"""Whether what lies on the disk is what was trained: files, splits, scores, and a training done again."""
