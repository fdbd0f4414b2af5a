"""Sequence classification: which of several classes a numeric sequence belongs to."""

from ecrnn.core.tasks import Card, Task

TASK = Task(
    name="sequence-classification",
    metric="accuracy",
    examples="sequences",
    use="ecrnn predict {bundle} sequence.csv",
    card=Card(
        what="A classifier of numeric sequences",
        each="a sequence of {length} steps",
        command="ecrnn predict {folder} sequence.csv",
        call=".predict([np.zeros((100, features))])",
        limits="The figure holds for sequences like those of the data set, measured in the same units and at the same "
        "rate. The\nmodel always answers with one of its classes, also for a sequence of something else.",
        text=("Input", "up to {length:,} "),
    ),
    settings="ecrnn.tasks.sequence_classification.settings:SequenceSettings",
    load="ecrnn.tasks.sequence_classification.data:load_settings",
    prepare="ecrnn.tasks.sequence_classification.data:prepare",
    objective="ecrnn.tasks.sequence_classification.objective:SequenceClassification",
    predictor="ecrnn.tasks.sequence_classification.predictor:SequencePredictor",
    random_batch="ecrnn.tasks.sequence_classification.objective:random_batch",
    has_validation="ecrnn.tasks.sequence_classification.data:has_validation",
    export="ecrnn.tasks.sequence_classification.export:SequenceExport",
    inputs=("features", "classes"),
    usual={"features": 6, "classes": 6},
    small={"features": 3, "classes": 3},
    parts=("length", "extra"),
    classes=True,
    reads="files",
    augmentations=(),
    suffixes=(".csv", ".tsv", ".txt"),
    defaults={"length": 4096, "training": {"epochs": 30, "batch_size": 32, "schedule": "cosine"}},
)
