"""The tasks, one folder each, all alike: what is true of one task alone stands in its folder and nowhere else.

Each has `facts` (its row, free of torch: `ecrnn.core.tasks.Task`), `settings` (what it may be told of its examples),
`data` (from settings to examples, and what is fitted on those that train), `objective` (what a training learns) and
`predictor` (a trained model in use).
"""

#: The folders in the order in which tasks are listed; the first is the task that is meant where none is named.
FOLDERS = (
    "image_classification",
    "clip_classification",
    "text_classification",
    "language_modelling",
    "translation",
    "captioning",
    "text_recognition",
    "sequence_classification",
)
