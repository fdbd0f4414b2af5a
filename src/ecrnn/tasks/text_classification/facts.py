"""Text classification: which of several classes a text belongs to."""

from ecrnn.core.tasks import Card, Task

TASK = Task(
    name="text-classification",
    metric="accuracy",
    examples="texts",
    pipeline="text-classification",
    use="ecrnn predict {bundle} --text 'A sentence.'",
    card=Card(
        what="A text classifier",
        each="a text of {length} tokens",
        command='ecrnn predict {folder} --text "..."',
        call='.predict(["..."])',
        limits="The figure holds for texts like those of the data set. The model always answers with one of its "
        "classes, also for a\ntext of something else.",
        text=("Input", "up to {length:,} "),
    ),
    settings="ecrnn.tasks.text_classification.settings:TextSettings",
    load="ecrnn.tasks.text_classification.data:load",
    prepare="ecrnn.tasks.text_classification.data:prepare",
    objective="ecrnn.tasks.text_classification.objective:TextClassification",
    predictor="ecrnn.tasks.text_classification.predictor:TextPredictor",
    random_batch="ecrnn.tasks.text_classification.objective:random_batch",
    has_validation="ecrnn.tasks.text_classification.texts:has_validation",
    export="ecrnn.tasks.text_classification.export:TextExport",
    inputs=("tokens", "classes"),
    usual={"tokens": 10000, "classes": 2},
    small={"tokens": 13, "classes": 3},
    parts=("vocabulary", "length"),
    classes=True,
    reads="texts",
    augmentations=(),
    data_sets=("rt-polarity",),
    defaults={
        "split": "0.9",
        "tokens": "words",
        "length": 256,
        "training": {"epochs": 5, "batch_size": 64, "schedule": "cosine"},
    },
)
