"""Paired measurements of speed and memory against other libraries, and what this installation can do.

``pairs`` times variants in turn, ``recurrence``, ``step`` and ``image`` say what is timed, ``settings`` at which
sizes; ``checks`` compares layers with the oracle before they are measured, ``memory`` measures peaks in fresh
processes, ``keras`` runs Keras on TensorFlow beside it, and ``doctor`` looks at the installation.
"""
